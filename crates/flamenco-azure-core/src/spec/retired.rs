//! VM sizes that Azure has retired or is about to. Source: Microsoft's pages "Retired Azure VM sizes" and
//! "Previous generations of virtual machine sizes"; the sizes of announced series are refused to new subscriptions.

use jiff::civil::Date;

/// One row: a family and the day its machines stop.
#[derive(Debug, Clone, Copy)]
pub struct Retirement {
    /// The family in words.
    pub family: &'static str,
    /// From this day on machines of the family are deallocated.
    pub date: Date,
    /// What to use instead.
    pub instead: &'static str,
    matches: fn(&Size) -> bool,
}

/// The parts of a size's name: `Standard_NC4as_T4_v3` is family `NC`, additives `as`, accelerator, version 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// Upper-case family letters, such as `D` or `NV`.
    pub family: String,
    /// The number of vCPUs in modern names; a rank in the oldest ones.
    pub number: u32,
    /// Lower-case letters after the number, such as `as`.
    pub additives: String,
    /// Whether an accelerator or memory class stands between (`_T4`, `_A10`).
    pub accelerator: bool,
    /// 1 when the name has no version.
    pub version: u32,
}

impl Size {
    /// Takes a size's name apart, whatever its case; `None` when it has not the form of one.
    pub fn parse(name: &str) -> Option<Self> {
        let (tier, rest) = name.split_once('_')?;
        if !["standard", "basic"].contains(&tier.to_ascii_lowercase().as_str()) {
            return None;
        }
        let mut parts = rest.split('_');
        let head = parts.next()?;
        let letters = head.find(|c: char| !c.is_ascii_alphabetic())?;
        let (family, head) = head.split_at(letters);
        let digits = head.find(|c: char| !c.is_ascii_digit()).unwrap_or(head.len());
        let (number, additives) = head.split_at(digits);
        // Constrained sizes: `HB120-16rs_v2`, `DS11-1_v2`.
        let additives = additives.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit());
        if family.is_empty() || !additives.chars().all(|c| c.is_ascii_alphabetic()) {
            return None;
        }
        let mut size = Self {
            family: family.to_ascii_uppercase(),
            number: number.parse().ok()?,
            additives: additives.to_ascii_lowercase(),
            accelerator: false,
            version: 1,
        };
        for part in parts {
            let version = part.strip_prefix(['v', 'V']).and_then(|digits| digits.parse().ok());
            match version {
                Some(version) => size.version = version,
                None if part.eq_ignore_ascii_case("promo") => {}
                None if !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()) => {
                    size.accelerator = true;
                }
                None => return None,
            }
        }
        Some(size)
    }

    fn is(&self, families: &[&str], versions: std::ops::RangeInclusive<u32>) -> bool {
        families.contains(&self.family.as_str()) && versions.contains(&self.version) && !self.accelerator
    }

    /// Whether its processor is Arm: `p` among the additives. Neither Flamenco nor Blender has a Linux build for it.
    pub fn is_arm(&self) -> bool {
        self.version >= 2 && self.additives.contains('p')
    }
}

const fn day(year: i16, month: i8, day: i8) -> Date {
    jiff::civil::date(year, month, day)
}

const CPU: &str = "Standard_D4as_v5 or another size of the Dasv5, Dasv6 or Fasv6 series";
const GPU: &str = "Standard_NC4as_T4_v3 or Standard_NV36ads_A10_v5";

/// The table of retirements.
pub const RETIREMENTS: &[Retirement] = &[
    Retirement {
        family: "NCv3 series",
        date: day(2025, 9, 30),
        instead: GPU,
        matches: |size| size.is(&["NC"], 3..=3),
    },
    Retirement {
        family: "NVv3 series",
        date: day(2026, 9, 30),
        instead: GPU,
        matches: |size| size.is(&["NV"], 3..=3),
    },
    Retirement {
        family: "NVv4 series",
        date: day(2026, 9, 30),
        instead: GPU,
        matches: |size| size.is(&["NV"], 4..=4),
    },
    Retirement {
        family: "M192 v2 sizes",
        date: day(2027, 3, 31),
        instead: "a size of the Msv3 series",
        matches: |size| size.is(&["M"], 2..=2) && size.number == 192,
    },
    Retirement {
        family: "HBv2 series",
        date: day(2027, 5, 31),
        instead: "a size of the HX, HBv4 or HBv3 series",
        matches: |size| size.is(&["HB"], 2..=2),
    },
    Retirement {
        family: "D, Ds, Dv2 and DSv2 series",
        date: day(2028, 5, 1),
        instead: CPU,
        matches: |size| size.is(&["D", "DS"], 1..=2),
    },
    Retirement {
        family: "Ls series",
        date: day(2028, 5, 1),
        instead: "a size of the Lsv3 series",
        matches: |size| size.is(&["L"], 1..=1),
    },
    Retirement {
        family: "Av2 and Amv2 series",
        date: day(2028, 11, 15),
        instead: CPU,
        matches: |size| size.is(&["A"], 2..=2),
    },
    Retirement {
        family: "B series, first version",
        date: day(2028, 11, 15),
        instead: "Standard_B2s_v2 or another size of the Bsv2 series",
        matches: |size| size.is(&["B"], 1..=1),
    },
    Retirement {
        family: "F, Fs and Fsv2 series",
        date: day(2028, 11, 15),
        instead: CPU,
        matches: |size| size.is(&["F"], 1..=2),
    },
    Retirement {
        family: "G and GS series",
        date: day(2028, 11, 15),
        instead: "a size of the Easv5 series",
        matches: |size| size.is(&["G", "GS"], 1..=1),
    },
    Retirement {
        family: "Lsv2 series",
        date: day(2028, 11, 15),
        instead: "a size of the Lsv3 series",
        matches: |size| size.is(&["L"], 2..=2),
    },
];

impl Retirement {
    /// Whether the family is gone on that day.
    pub fn is_over(&self, today: Date) -> bool {
        self.date <= today
    }
}

/// The announced or past retirement of a size.
pub fn retirement(size: &str) -> Option<&'static Retirement> {
    let size = Size::parse(size)?;
    RETIREMENTS.iter().find(|row| (row.matches)(&size))
}
