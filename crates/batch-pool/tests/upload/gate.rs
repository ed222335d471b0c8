//! The wire of the suite: counts, checks sums as Azure does, and plays tricks.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What happens to requests. They are counted from 1, from when the tricks were set.
#[derive(Debug, Clone, Default)]
pub struct Tricks {
    /// Nothing passes after so many.
    pub cut_after: Option<u64>,
    /// The answer to this one is lost.
    pub lose: Option<u64>,
    /// A byte changes in so many blocks.
    pub damage: u32,
    /// Before this block goes on, time passes.
    pub pause: Option<(u64, Duration)>,
    /// Before each block goes on, so much time passes.
    pub slow: Option<Duration>,
    /// A block takes half a minute, and more of them at a time get no answer within a minute, as on a slow line. Time is
    /// tokio's.
    pub narrow: Option<usize>,
}

#[derive(Debug, Default)]
struct State {
    tricks: Tricks,
    requests: u64,
    /// Staged blocks that arrived: blob and block id.
    staged: Vec<(String, String)>,
    bytes: u64,
    /// Blocks on their way.
    under_way: usize,
    /// Blocks that got no answer.
    unanswered: usize,
}

#[derive(Debug)]
pub struct Gate {
    inner: Arc<dyn HttpClient>,
    state: Mutex<State>,
    /// Whether time is tokio's, and is moved rather than waited for.
    virtual_time: bool,
}

impl Gate {
    pub fn new(inner: Arc<dyn HttpClient>, virtual_time: bool) -> Self {
        Self { inner, state: Mutex::default(), virtual_time }
    }

    /// A request of the test's own, past tricks and counts. Azurite closes idle connections without a word, so again.
    pub async fn own(&self, request: &Request) -> AsyncRawResponse {
        for _ in 0..4 {
            if let Ok(answer) = self.inner.execute_request(request).await {
                return answer;
            }
        }
        panic!("no answer to the test's own request");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Forgets what was counted.
    pub fn play(&self, tricks: Tricks) {
        *self.state() = State { tricks, ..State::default() };
    }

    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    /// How many blocks arrived, and how many bytes.
    pub fn staged(&self) -> (usize, u64) {
        let state = self.state();
        (state.staged.len(), state.bytes)
    }

    /// How many blocks got no answer, for there were too many at a time.
    pub fn unanswered(&self) -> usize {
        self.state().unanswered
    }

    /// Half a minute in which other blocks may be on their way too: whether there are not too many.
    async fn fits(&self, narrow: usize) -> bool {
        let half = Duration::from_secs(30);
        self.state().under_way += 1;
        tokio::time::sleep(half).await;
        let fits = self.state().under_way <= narrow;
        if !fits {
            tokio::time::sleep(half).await;
            self.state().unanswered += 1;
        }
        self.state().under_way -= 1;
        fits
    }

    /// Whether some block arrived twice.
    pub fn staged_twice(&self) -> bool {
        let mut staged = self.state().staged.clone();
        let count = staged.len();
        staged.sort();
        staged.dedup();
        staged.len() < count
    }

    pub async fn pass(&self, seconds: f64) {
        let duration = Duration::from_secs_f64(seconds);
        if self.virtual_time {
            tokio::time::advance(duration).await;
        } else {
            tokio::time::sleep(duration).await;
        }
    }
}

fn dead() -> azure_core::Error {
    // As reqwest says it, with the whole address in it.
    let words = "error sending request for url (https://a.blob.core.windows.net/c/b?sig=SECRET)";
    azure_core::Error::with_message(ErrorKind::Connection, words)
}

/// CRC-64/NVME a bit at a time, from its definition (reflected, all ones before and after): what Azure Storage computes.
pub fn crc64(bytes: &[u8]) -> u64 {
    let table: Vec<u64> = (0..256_u64)
        .map(|byte| {
            (0..8)
                .fold(byte, |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0x9a6c_9329_ac4b_c9b5 } else { sum >> 1 })
        })
        .collect();
    !bytes.iter().fold(!0, |sum: u64, byte| table[((sum ^ u64::from(*byte)) & 0xff) as usize] ^ (sum >> 8))
}

#[test]
fn the_sum_is_the_catalogues() {
    assert_eq!(crc64(b"123456789"), 0xae8b_1486_0a79_9888);
}

#[async_trait]
impl HttpClient for Gate {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let block = request.url().query_pairs().any(|(name, value)| name == "comp" && value == "block");
        let block_id =
            request.url().query_pairs().find(|(name, _)| name == "blockid").map(|(_, id)| id.into_owned());
        let (number, tricks) = {
            let mut state = self.state();
            state.requests += 1;
            (state.requests, state.tricks.clone())
        };
        if tricks.cut_after.is_some_and(|last| number > last) {
            return Err(dead());
        }
        let mut request = request.clone();
        if block {
            let Body::Bytes(bytes) = request.body().clone() else { panic!("a block is in memory") };
            let mut bytes = bytes.to_vec();
            let nth = self.state().staged.len() as u64 + 1;
            if let Some((at, pause)) = tricks.pause
                && nth == at
            {
                self.state().tricks.pause = None;
                self.pass(pause.as_secs_f64()).await;
            }
            if let Some(slow) = tricks.slow {
                self.pass(slow.as_secs_f64()).await;
            }
            if let Some(narrow) = tricks.narrow
                && !self.fits(narrow).await
            {
                return Err(azure_core::Error::with_message(ErrorKind::Io, "operation timed out"));
            }
            let sum = request.headers().get_optional_str(&HeaderName::from_static("x-ms-content-crc64"));
            let announced = STANDARD.decode(sum.expect("a block has its sum")).unwrap();
            let damaged = {
                let mut state = self.state();
                let left = state.tricks.damage;
                state.tricks.damage = left.saturating_sub(1);
                left > 0
            };
            if damaged {
                bytes[7] ^= 1;
            }
            if announced != crc64(&bytes).to_le_bytes() {
                let mut headers = Headers::new();
                headers.insert("x-ms-error-code", "Crc64Mismatch");
                let body = "<?xml version=\"1.0\"?><Error><Code>Crc64Mismatch</Code><Message>The CRC64 value \
                            specified in the request did not match with the CRC64 value calculated by the server.\
                            </Message></Error>";
                return Ok(AsyncRawResponse::from_bytes(StatusCode::BadRequest, headers, body));
            }
            request.set_body(bytes);
        }
        let length = request.body().len().unwrap_or_default();
        let answer = self.inner.execute_request(&request).await?;
        if let Some(id) = block_id.filter(|_| answer.status().is_success()) {
            let mut state = self.state();
            state.staged.push((request.url().path().to_owned(), id));
            state.bytes += length;
        }
        if tricks.lose == Some(number) {
            Err(azure_core::Error::with_message(ErrorKind::Io, "lost"))
        } else {
            Ok(answer)
        }
    }
}
