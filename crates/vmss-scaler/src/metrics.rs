//! Prometheus text: counts of one or more pools (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write as _;

use crate::scaler::{Pass, Standing, Sums};

/// One pool's figures.
#[derive(Debug, Clone)]
pub struct Figures {
    /// The pool.
    pub pool: String,
    /// Sums since the scaler began.
    pub sums: Sums,
    /// The last pass.
    pub last: Pass,
}

type Row = (String, f64);

/// The page.
pub fn page(pools: &[Figures]) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, rows: Vec<Row>| {
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(text, "# HELP flamenco_scaler_{name} {help}\n# TYPE flamenco_scaler_{name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(text, "flamenco_scaler_{name}{{{labels}}} {value}");
        }
    };
    let pool = |figures: &Figures| format!("pool=\"{}\"", escaped(&figures.pool));
    let each = |value: &dyn Fn(&Figures) -> Option<f64>| -> Vec<Row> {
        pools.iter().filter_map(|figures| Some((pool(figures), value(figures)?))).collect()
    };
    let decision = |value: fn(&crate::Decision) -> Option<u32>| {
        move |figures: &Figures| figures.last.decision.as_ref().and_then(value).map(f64::from)
    };
    let leads = |figures: &Figures| Some(f64::from(u8::from(figures.last.standing == Standing::Leading)));
    family("leading", "gauge", "Whether this scaler holds the lease.", each(&leads));
    let target = decision(|decision| decision.target);
    family("target_nodes", "gauge", "Nodes wanted, after the cap.", each(&target));
    let nodes = decision(|decision| Some(decision.nodes));
    family("nodes", "gauge", "Nodes that are up.", each(&nodes));
    let pledged = decision(|decision| Some(decision.pledged));
    family("pledged_nodes", "gauge", "Nodes up, on their way or asked for.", each(&pledged));
    let rejected = decision(|decision| u32::try_from(decision.rejected.len()).ok());
    family("rejected_placements", "gauge", "Placements that cannot be used now.", each(&rejected));
    let sum = |value: fn(&Sums) -> u64| move |figures: &Figures| Some(value(&figures.sums) as f64);
    family("passes_total", "counter", "Passes.", each(&sum(|sums| sums.passes)));
    family("blind_passes_total", "counter", "Passes that could not decide.", each(&sum(|sums| sums.blind)));
    family("deletions_total", "counter", "Deletion requests counted.", each(&sum(|sums| sums.deletions)));
    family("poisoned_total", "counter", "Messages given up.", each(&sum(|sums| sums.poisoned)));
    family("failed_operations_total", "counter", "Operations that failed.", each(&sum(|sums| sums.failures)));
    let actions = pools
        .iter()
        .flat_map(|figures| {
            let of = pool(figures);
            figures.sums.actions.iter().map(move |((kind, ending), count)| {
                (format!("{of},action=\"{kind}\",outcome=\"{ending}\""), *count as f64)
            })
        })
        .collect();
    family("actions_total", "counter", "Requests by action and outcome.", actions);
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
