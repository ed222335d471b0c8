//! What only Batch pools have: packages, formulas, variables of the start task, node agents.

use std::collections::BTreeMap;

use super::{Check, filled};
use crate::spec::batch::{
    Autoscale, FORMULA_ROOM, LONGEST_FORMULA, MOST_PACKAGES, PackageRef, suspicious, without_comments,
};
use crate::spec::defaults;
use crate::spec::file::{FarmSpec, PoolSpec};
use crate::spec::image::{AGENT_2204, AGENT_2404, PoolImage};

/// A week, the longest that Batch waits between two evaluations (BatchService.json).
const LONGEST_INTERVAL: u32 = 7 * 24 * 60;

/// Metrics of Batch tasks, of which a farm has none.
const TASK_METRICS: &[&str] =
    &["$PendingTasks", "$ActiveTasks", "$RunningTasks", "$SucceededTasks", "$FailedTasks"];

impl Check<'_> {
    pub(super) fn packages(&mut self, key: &str, spec: &PoolSpec) -> Vec<PackageRef> {
        let texts = spec.packages.as_deref().unwrap_or_default();
        if texts.len() > MOST_PACKAGES {
            let why = format!("{} packages; Batch gives a node {MOST_PACKAGES} at most", texts.len());
            self.value(key, why, "join some of them into one package");
        }
        let mut packages: Vec<PackageRef> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let key = format!("{key}[{index}]");
            match text.parse::<PackageRef>() {
                Err(error) => {
                    let remedy =
                        "write `id#version` such as `blender#5.0.1`, or `id` for the default version";
                    self.value(&key, error.to_string(), remedy);
                }
                Ok(package) => {
                    let same =
                        |other: &PackageRef| other.application.eq_ignore_ascii_case(&package.application);
                    if packages.iter().any(same) {
                        let why = format!(
                            "`{}` stands here twice, and a node needs one of them",
                            package.application
                        );
                        self.value(&key, why, "keep one version");
                    }
                    packages.push(package);
                }
            }
        }
        packages
    }

    pub(super) fn autoscale(&mut self, at: &str, spec: &PoolSpec) -> Option<Autoscale> {
        let block = spec.autoscale.as_ref()?;
        let key = format!("{at}.autoscale");
        for (name, count) in [("dedicated", spec.dedicated), ("spot", spec.spot)] {
            if count.is_some() {
                let why = "a pool has a formula or a number of nodes, and both are given";
                let remedy = format!("delete `{name}`, or `autoscale` for a fixed size");
                self.value(&format!("{at}.{name}"), why, remedy);
            }
        }
        let minutes = block.evaluation_minutes.unwrap_or(defaults::EVALUATION_MINUTES);
        if !(5..=LONGEST_INTERVAL).contains(&minutes) {
            let why =
                format!("Batch evaluates a formula every 5 to {LONGEST_INTERVAL} minutes, not {minutes}");
            self.value(&format!("{key}.evaluationMinutes"), why, "correct the number, or delete the key");
        }
        let key = format!("{key}.formula");
        // Not cut at its beginning: Batch's errors name lines and columns.
        let Some(formula) = block.formula.as_deref().map(str::trim_end).filter(|text| !text.is_empty())
        else {
            let remedy = "for example `formula: $TargetLowPriorityNodes = 4;`";
            self.value(&key, "there is no formula", remedy);
            return None;
        };
        if let Some((why, remedy)) = formula_trouble(formula) {
            self.value(&key, why, remedy);
        }
        Some(Autoscale { formula: formula.to_owned(), evaluation_minutes: minutes })
    }

    pub(super) fn environment(&mut self, key: &str, spec: &PoolSpec) -> BTreeMap<String, String> {
        let all = spec.environment.clone().unwrap_or_default();
        for (name, value) in &all {
            let key = format!("{key}.{name}");
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain) {
                let why = "a variable's name has letters, digits and `_`, and does not begin with a digit";
                self.value(&key, why, "choose another name");
            } else if name.to_ascii_uppercase().starts_with("AZ_BATCH_") {
                self.value(&key, "names beginning with `AZ_BATCH_` are Batch's own", "choose another name");
            } else if name.to_ascii_uppercase().starts_with("FLAMENCO_AZURE_") {
                let why = "names beginning with `FLAMENCO_AZURE_` are the set-up's own";
                self.value(&key, why, "choose another name");
            } else if value.contains('\0') {
                self.value(&key, "a variable's value cannot have a NUL character", "delete it");
            } else if let Some(what) = suspicious(value) {
                // The value itself is not repeated.
                let why = format!("this looks like {what}, and whoever may read the pool would read it");
                self.value(&key, why, IDENTITIES);
            }
        }
        all
    }

    /// The agent of an image of one's own; aliases and URNs bring theirs.
    pub(super) fn node_agent(
        &mut self,
        key: &str,
        spec: &PoolSpec,
        image: Option<PoolImage>,
    ) -> Option<PoolImage> {
        let Some(agent) = filled(spec.node_agent.as_ref()) else { return image };
        let known = [AGENT_2404, AGENT_2204].into_iter().find(|known| known.eq_ignore_ascii_case(agent));
        match (image, known) {
            (_, None) => {
                let remedy =
                    format!("use `{AGENT_2404}` or `{AGENT_2204}`: nodes are set up by Ubuntu's ways");
                self.value(
                    key,
                    format!("`{agent}` is not a node agent that a farm's nodes can have"),
                    remedy,
                );
                None
            }
            (Some(PoolImage::Gallery { id, .. }), Some(known)) => {
                Some(PoolImage::Gallery { id, node_agent: known.to_owned() })
            }
            (Some(image), Some(known)) => {
                if image.node_agent() != known {
                    let why = format!("the image has `{}`", image.node_agent());
                    self.value(key, why, "delete the key: it is for images of your own");
                }
                Some(image)
            }
            (None, Some(_)) => None,
        }
    }
}

/// What to do instead of giving nodes a secret.
pub(super) const IDENTITIES: &str = "nodes need no keys: the share is mounted by the farm's network, packages come by the \
                                     account's identity; for your own storage use identities";

/// What the farm would not give to Batch; whether the rest is right is for Batch to say.
fn formula_trouble(formula: &str) -> Option<(String, &'static str)> {
    let code = without_comments(formula);
    let length = formula.chars().count();
    let has = |name: &str| words(&code).any(|word| word.eq_ignore_ascii_case(name));
    if length > LONGEST_FORMULA - FORMULA_ROOM {
        let why =
            format!("the formula has {length} characters, {} are allowed", LONGEST_FORMULA - FORMULA_ROOM);
        return Some((why, "shorten it"));
    }
    // With these the lines that follow the formula could not keep to `maxNodes`.
    if has("stop") {
        return Some((
            "`stop()` would end the formula before `maxNodes` is applied".to_owned(),
            "use the operator `condition ? a : b` instead",
        ));
    }
    for (old, new) in [
        ("$TargetDedicated", "use `$TargetDedicatedNodes`"),
        ("$TargetLowPriority", "use `$TargetLowPriorityNodes`"),
    ] {
        if has(old) {
            return Some((format!("`{old}` is an old name"), new));
        }
    }
    if !has("$TargetDedicatedNodes") && !has("$TargetLowPriorityNodes") {
        return Some((
            "the formula sets neither `$TargetDedicatedNodes` nor `$TargetLowPriorityNodes`".to_owned(),
            "for example `$TargetLowPriorityNodes = 4;`",
        ));
    }
    None
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$')).filter(|word| !word.is_empty())
}

/// What is legal and may not do what was meant.
pub(super) fn warnings(spec: &FarmSpec) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (index, pool) in spec.pools.iter().flatten().enumerate() {
        let Some(formula) = pool.autoscale.as_ref().and_then(|block| block.formula.as_deref()) else {
            continue;
        };
        let key = format!("pools[{index}].autoscale.formula");
        let code = without_comments(formula);
        let seen =
            TASK_METRICS.iter().find(|metric| words(&code).any(|word| word.eq_ignore_ascii_case(metric)));
        if let Some(metric) = seen {
            let message = format!(
                "`{key}`: `{metric}` is always 0: Flamenco's tasks are not Batch tasks; size the pool by the time of \
                 day, or by `flamenco-azure scale`"
            );
            all.push((key.clone(), message));
        }
        let message = format!(
            "`{key}`: when the formula asks for fewer nodes, Batch takes some without asking the Manager; what they \
             render begins anew elsewhere"
        );
        all.push((key, message));
    }
    all
}
