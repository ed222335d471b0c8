//! Checksums of what is uploaded: MD5 (RFC 1321) and the CRC-64 of Azure Storage (the polynomial of NVMe, low byte first).
//!
//! Written out here so that the simulator's idea of them is not that of the library which a client uses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Call;
use super::refusal::{Fixed, Refusal};
use crate::wire::SimResponse;

const MD5: Fixed = (
    400,
    "Md5Mismatch",
    "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
);
const BAD_MD5: Fixed = (
    400,
    "InvalidMd5",
    "The MD5 value specified in the request is invalid. MD5 value must be 128 bits and base64 encoded.",
);
const CRC: Fixed = (
    400,
    "Crc64Mismatch",
    "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.",
);

/// A body that arrived as its sender says, and which sum that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checked {
    Md5(String),
    Crc64(String),
}

impl Checked {
    /// The header that confirms it: MD5 when that was sent, the service's own CRC-64 otherwise ("Put Block").
    pub(super) fn confirm(&self, response: SimResponse) -> SimResponse {
        match self {
            Self::Md5(sum) => response.with_header("content-md5", sum),
            Self::Crc64(sum) => response.with_header("x-ms-content-crc64", sum),
        }
    }
}

/// Compares the body of a request with the sums in its headers.
pub(super) fn check(call: &Call) -> Result<Checked, Refusal> {
    let body = &call.wire.body;
    match (call.header("content-md5"), call.header("x-ms-content-crc64")) {
        (Some(_), Some(_)) => Err(super::refusal::BAD_HEADER.into()),
        (Some(said), None) => {
            if STANDARD.decode(said).map_or(true, |bytes| bytes.len() != 16) {
                return Err(BAD_MD5.into());
            }
            let sum = STANDARD.encode(md5(body));
            if sum == said {
                return Ok(Checked::Md5(sum));
            }
            let refusal = Refusal::from(MD5).with_detail("UserSpecifiedMd5", said);
            Err(refusal.with_detail("ServerCalculatedMd5", &sum))
        }
        (None, said) => {
            let sum = STANDARD.encode(crc64(body).to_le_bytes());
            match said {
                Some(said) if said != sum => {
                    let refusal = Refusal::from(CRC).with_detail("UserSpecifiedCrc", said);
                    Err(refusal.with_detail("ServerCalculatedCrc", &sum))
                }
                _ => Ok(Checked::Crc64(sum)),
            }
        }
    }
}

/// One step of the table: eight bytes at a time need eight of them.
const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0_u64; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0x9A6C_9329_AC4B_C9B5 } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut step = 1;
    while step < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[step - 1][byte];
            tables[step][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        step += 1;
    }
    tables
}

static TABLES: [[u64; 256]; 8] = tables();

fn crc64(bytes: &[u8]) -> u64 {
    let mut sum = u64::MAX;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = sum ^ chunk.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        sum = (0..8).fold(0, |sum, i| sum ^ TABLES[7 - i][((word >> (8 * i)) & 0xFF) as usize]);
    }
    for byte in chunks.remainder() {
        sum = (sum >> 8) ^ TABLES[0][((sum ^ u64::from(*byte)) & 0xFF) as usize];
    }
    !sum
}

const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

pub(super) fn md5(bytes: &[u8]) -> [u8; 16] {
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut chunks = bytes.chunks_exact(64);
    for chunk in &mut chunks {
        turn(&mut state, chunk);
    }
    let mut tail = chunks.remainder().to_vec();
    tail.push(0x80);
    while tail.len() % 64 != 56 {
        tail.push(0);
    }
    tail.extend_from_slice(&(bytes.len() as u64).wrapping_mul(8).to_le_bytes());
    for chunk in tail.chunks_exact(64) {
        turn(&mut state, chunk);
    }
    let mut sum = [0; 16];
    for (part, word) in sum.chunks_exact_mut(4).zip(state) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    sum
}

fn turn(state: &mut [u32; 4], chunk: &[u8]) {
    let mut words = [0_u32; 16];
    for (word, bytes) in words.iter_mut().zip(chunk.chunks_exact(4)) {
        *word = bytes.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
    }
    let [mut a, mut b, mut c, mut d] = *state;
    for (i, sine) in SINES.iter().enumerate() {
        let (mixed, from) = match i / 16 {
            0 => ((b & c) | (!b & d), i),
            1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
            2 => (b ^ c ^ d, (3 * i + 5) % 16),
            _ => (c ^ (b | !d), (7 * i) % 16),
        };
        let sum = mixed.wrapping_add(a).wrapping_add(*sine).wrapping_add(words[from]);
        (a, d, c) = (d, c, b);
        b = b.wrapping_add(sum.rotate_left(TURNS[i / 16][i % 4]));
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d]) {
        *old = old.wrapping_add(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_their_definitions() {
        // RFC 1321, appendix A.5; the catalogue's check value of CRC-64/NVME.
        let sum = |bytes: &[u8]| u128::from_be_bytes(md5(bytes));
        assert_eq!(sum(b""), 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e);
        assert_eq!(sum(b"message digest"), 0xf96b_697d_7cb7_938d_525a_2f31_aaf1_61d0);
        let long = b"12345678901234567890123456789012345678901234567890123456789012345678901234567890";
        assert_eq!(sum(long), 0x57ed_f4a2_2be3_c955_ac49_da2e_2107_b67a);
        assert_eq!(crc64(b"123456789"), 0xAE8B_1486_0A79_9888);
        assert_eq!(crc64(b""), 0);
    }
}
