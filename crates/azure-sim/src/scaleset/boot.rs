//! How long machines take to boot, and how some never do.
//!
//! Figures: the published study of 1,000 machines (Azure/Avere, `azure_vm_provision_best_practices`, 2018): seconds from
//! the request until a machine reports, at P50, P95 and P100, for sets of 25 and of 250 machines of a platform image. A
//! custom image makes sets of 250 slower and sets of 25 no slower.

use serde::{Deserialize, Serialize};

/// Boot times of one density, seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Curve {
    p50: f64,
    p95: f64,
    p100: f64,
}

const PLATFORM: [Curve; 2] =
    [Curve { p50: 251.0, p95: 269.0, p100: 303.0 }, Curve { p50: 347.0, p95: 373.0, p100: 390.0 }];
const CUSTOM: [Curve; 2] =
    [Curve { p50: 234.0, p95: 260.0, p100: 295.0 }, Curve { p50: 486.0, p95: 650.0, p100: 694.0 }];
/// The densities of the two curves.
const DENSITIES: [f64; 2] = [25.0, 250.0];

/// How machines of scale sets boot in this world. The default has the published times and no accidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boots {
    /// Percent of the published boot time: 100 is as measured.
    pub percent: u32,
    /// Machines of 100,000 that take [`Boots::straggler_seconds`]. The study saw 1 to 2 of 1,000: 150.
    pub stragglers: u32,
    /// Boot time of a straggler, seconds: about 40 minutes in the study.
    pub straggler_seconds: u64,
    /// Machines of 100,000 whose creation fails after [`Boots::failure_seconds`] (`OSProvisioningTimedOut`).
    pub failures: u32,
    /// When a failed machine says so, seconds: 20 to 40 minutes on Azure.
    pub failure_seconds: u64,
    /// Machines of 100,000 that stay `Creating` for ever.
    pub stuck: u32,
}

impl Default for Boots {
    fn default() -> Self {
        Self {
            percent: 100,
            stragglers: 0,
            straggler_seconds: 2400,
            failures: 0,
            failure_seconds: 1200,
            stuck: 0,
        }
    }
}

/// What becomes of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Boot {
    /// It is up after so many seconds.
    Up(u64),
    /// Its creation fails after so many seconds.
    Fails(u64),
    /// It stays `Creating` for ever.
    Stuck,
}

/// What happens to the next machines of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NextBoots {
    /// Lower-cased set id; `None` is any set.
    pub(super) set: Option<String>,
    pub(super) boot: Boot,
    pub(super) left: u32,
}

/// The boot of a machine in a set of so many, drawn by two numbers from 0 up to 1.
pub(super) fn draw(boots: &Boots, machines: u32, custom_image: bool, time: f64, accident: f64) -> Boot {
    let at = accident * 100_000.0;
    let (stuck, failures) = (f64::from(boots.stuck), f64::from(boots.failures));
    if at < stuck {
        return Boot::Stuck;
    }
    if at < stuck + failures {
        return Boot::Fails(boots.failure_seconds);
    }
    if at < stuck + failures + f64::from(boots.stragglers) {
        return Boot::Up(boots.straggler_seconds);
    }
    let seconds = seconds(machines, custom_image, time) * f64::from(boots.percent) / 100.0;
    Boot::Up((seconds.round() as u64).max(1))
}

/// The published curve: between the densities by the logarithm, beyond them as at the ends.
fn seconds(machines: u32, custom_image: bool, quantile: f64) -> f64 {
    let curves = if custom_image { CUSTOM } else { PLATFORM };
    let density = f64::from(machines.max(1)).clamp(DENSITIES[0], DENSITIES[1]);
    let share = (density / DENSITIES[0]).ln() / (DENSITIES[1] / DENSITIES[0]).ln();
    let [sparse, dense] = curves.map(|curve| curve.at(quantile));
    sparse + (dense - sparse) * share
}

impl Curve {
    /// Straight between the published quantiles. The study does not give the fastest; four fifths of P50 is assumed.
    fn at(self, quantile: f64) -> f64 {
        let points = [(0.0, self.p50 * 0.8), (0.5, self.p50), (0.95, self.p95), (1.0, self.p100)];
        let pair = points.windows(2).find(|pair| quantile <= pair[1].0).unwrap_or(&points[2..]);
        let (low, high) = (pair[0], pair[1]);
        low.1 + (high.1 - low.1) * (quantile - low.0) / (high.0 - low.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boots_follow_the_published_study() {
        let near = |a: f64, b: f64| (a - b).abs() < 0.5;
        for (machines, custom, quantile, wanted) in [
            (25, false, 0.5, 251.0),
            (25, false, 0.95, 269.0),
            (25, false, 1.0, 303.0),
            (250, false, 0.5, 347.0),
            (250, true, 0.95, 650.0),
            (1000, true, 1.0, 694.0),
            (1, true, 0.5, 234.0),
        ] {
            let found = seconds(machines, custom, quantile);
            assert!(near(found, wanted), "{machines} {custom} {quantile}: {found}");
        }
        let middle = seconds(79, false, 0.5);
        assert!(middle > 290.0 && middle < 305.0, "{middle}");
    }

    #[test]
    fn accidents_come_in_their_shares() {
        let boots = Boots { stuck: 10, failures: 20, stragglers: 30, ..Boots::default() };
        let at = |per: f64| draw(&boots, 25, false, 0.5, per / 100_000.0);
        assert_eq!(at(9.0), Boot::Stuck);
        assert_eq!(at(29.0), Boot::Fails(1200));
        assert_eq!(at(59.0), Boot::Up(2400));
        assert_eq!(at(61.0), Boot::Up(251));
    }
}
