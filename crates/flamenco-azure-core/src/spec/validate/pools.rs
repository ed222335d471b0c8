//! The pools, from `pools` or the old tool's `batch`.

use super::{Check, filled};
use crate::name::Kind;
use crate::spec::defaults;
use crate::spec::farm::{FarmName, Pool, PoolKind};
use crate::spec::file::{BatchSpec, FarmSpec, PoolSpec};
use crate::spec::fleet::{Fleet, managed};
use crate::spec::image::{KNOWN, PoolImage};

impl Check<'_> {
    pub(super) fn pools(&mut self, farm: Option<&FarmName>) -> (Vec<Pool>, Vec<Fleet>) {
        let specs: Vec<(String, PoolSpec)> = match (&self.spec.pools, &self.spec.batch) {
            (Some(pools), batch) => {
                if let Some(batch) = batch.as_ref().filter(|batch| is_pool(batch) && !same(batch, pools)) {
                    let id = filled(batch.pool_id.as_ref()).unwrap_or_default().to_owned();
                    let why =
                        format!("the old block describes a pool `{id}` that `pools` describes otherwise");
                    self.value("batch", why, "delete the block `batch`: `pools` replaces it");
                }
                pools.iter().enumerate().map(|(i, pool)| (format!("pools[{i}]"), pool.clone())).collect()
            }
            (None, Some(batch)) if is_pool(batch) => vec![("batch".to_owned(), modern(batch))],
            (None, _) => vec![("pools".to_owned(), default_pool())],
        };
        if specs.is_empty() {
            self.value(
                "pools",
                "the list is empty",
                "describe one pool, or delete the key to get the default one",
            );
        }
        let mut pools: Vec<Pool> = Vec::new();
        let mut fleets: Vec<Fleet> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for (key, spec) in specs {
            let kind = self.kind(&format!("{key}.kind"), filled(spec.kind.as_ref()));
            match kind {
                Some(PoolKind::Batch) => pools.extend(self.pool(&key, &spec)),
                Some(PoolKind::Vmss) => fleets.extend(self.fleet(&key, &spec, farm)),
                None => {}
            }
            let Some(name) = filled(spec.name.as_ref()) else { continue };
            if names.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                let why = format!("there are two pools `{name}`; Azure does not tell upper from lower case");
                self.value(&format!("{key}.name"), why, "give each pool a name of its own");
            }
            names.push(name.to_owned());
        }
        (pools, fleets)
    }

    fn pool(&mut self, at: &str, spec: &PoolSpec) -> Option<Pool> {
        // The old tool's keys have other names; messages use those that stand in the file.
        let key = |new: &str, old: &str| format!("{at}.{}", if at == "batch" { old } else { new });
        let name = self.pool_name(&key("name", "poolID"), Kind::Pool, spec);
        self.not_of_batch(at, spec);
        let size = filled(spec.vm_size.as_ref()).unwrap_or(defaults::POOL_VM_SIZE);
        let vm_size = self.size(&key("vmSize", "vmSize"), size);
        let image =
            self.image(&key("image", "image"), filled(spec.image.as_ref()).unwrap_or(defaults::POOL_IMAGE));
        let image = self.node_agent(&format!("{at}.nodeAgent"), spec, image);
        let autoscale = self.autoscale(at, spec);
        let packages = self.packages(&format!("{at}.packages"), spec);
        let environment = self.environment(&format!("{at}.environment"), spec);
        let (dedicated, spot) = (spec.dedicated.unwrap_or(0), spec.spot.unwrap_or(0));
        let start = dedicated.saturating_add(spot);
        let counts = key("dedicated", "targetDedicatedNodes");
        let most = key("maxNodes", "maxNodes");
        let max_nodes = self.limit(&most, &counts, "dedicated + spot", start, spec.max_nodes)?;
        let kind = PoolKind::Batch;
        Some(Pool {
            name: name?,
            kind,
            vm_size: vm_size?,
            image: image?,
            dedicated,
            spot,
            autoscale,
            packages,
            environment,
            max_nodes,
        })
    }

    /// A pool's name, with a finding when there is none.
    pub(super) fn pool_name(&mut self, key: &str, kind: Kind, spec: &PoolSpec) -> Option<String> {
        if filled(spec.name.as_ref()).is_none() {
            let remedy = format!("for example `name: {}`", defaults::POOL_NAME);
            self.value(key, "the pool has no name", remedy);
        }
        self.name(key, kind, spec.name.as_ref())
    }

    /// The most nodes a pool may have: at least those it starts with, which the key `counts` says (`words` in messages).
    pub(super) fn limit(
        &mut self,
        key: &str,
        counts: &str,
        words: &str,
        start: u32,
        given: Option<u32>,
    ) -> Option<u32> {
        let max_nodes = given.unwrap_or(defaults::MAX_NODES.max(start));
        if max_nodes == 0 || max_nodes > MOST_NODES {
            let why = format!("a pool can have 1 to {MOST_NODES} nodes, not {max_nodes}");
            let at = if given.is_some() { key } else { counts };
            self.value(at, why, "correct the number, or delete the key to get the default");
            return None;
        }
        if start > max_nodes {
            let why = format!("{words} is {start}, more than maxNodes {max_nodes}");
            let remedy = format!("raise it to `maxNodes: {start}`, or start with fewer nodes");
            self.value(key, why, remedy);
        }
        Some(max_nodes)
    }

    fn kind(&mut self, key: &str, kind: Option<&str>) -> Option<PoolKind> {
        let kind = kind.unwrap_or(PoolKind::Batch.as_str());
        let known = kind_of(kind);
        if known.is_none() {
            let why = format!("`{kind}` is not a kind of pool");
            self.value(key, why, "use `kind: batch` or `kind: vmss` (scale sets), or delete the key");
        }
        known
    }

    fn image(&mut self, key: &str, text: &str) -> Option<PoolImage> {
        let image = PoolImage::parse(text);
        if managed(text).is_some() {
            let remedy = "use `kind: vmss`, or make a Compute Gallery image of it";
            self.value(key, "only pools of kind `vmss` boot a managed image", remedy);
        } else if image.is_none() {
            self.unknown_image(key, text, "a Compute Gallery image");
        }
        image
    }

    pub(super) fn unknown_image(&mut self, key: &str, text: &str, ids: &str) {
        let aliases: Vec<&str> = KNOWN.iter().map(|row| row.0).collect();
        let remedy = format!("use one of {}, or the id of {ids}", aliases.join(", "));
        self.value(key, format!("`{text}` is not an image that nodes can boot"), remedy);
    }
}

/// Whether every pool is one of scale sets, so that no Batch account is needed.
pub(super) fn are_fleets(spec: &FarmSpec) -> bool {
    let is_fleet = |pool: &PoolSpec| filled(pool.kind.as_ref()).and_then(kind_of) == Some(PoolKind::Vmss);
    spec.pools.as_ref().is_some_and(|pools| !pools.is_empty() && pools.iter().all(is_fleet))
}

fn kind_of(word: &str) -> Option<PoolKind> {
    let is = |kind: &PoolKind| word.eq_ignore_ascii_case(kind.as_str());
    [PoolKind::Batch, PoolKind::Vmss].into_iter().find(is)
}

/// No single pool is larger: the largest share of a subscription's 25,000 machines that one region's subnets carry.
const MOST_NODES: u32 = 10_000;

/// Whether the block describes the old tool's pool, and not just the account.
fn is_pool(batch: &BatchSpec) -> bool {
    let counts = [batch.target_dedicated_nodes, batch.target_low_priority_nodes];
    [&batch.pool_id, &batch.vm_size].into_iter().any(Option::is_some) || counts.iter().any(Option::is_some)
}

fn modern(batch: &BatchSpec) -> PoolSpec {
    PoolSpec {
        name: Some(filled(batch.pool_id.as_ref()).unwrap_or(defaults::POOL_NAME).to_owned()),
        vm_size: batch.vm_size.clone(),
        dedicated: batch.target_dedicated_nodes,
        spot: batch.target_low_priority_nodes,
        ..PoolSpec::default()
    }
}

fn default_pool() -> PoolSpec {
    PoolSpec {
        name: Some(defaults::POOL_NAME.to_owned()),
        dedicated: Some(defaults::POOL_DEDICATED),
        ..PoolSpec::default()
    }
}

/// Whether the old block says nothing that `pools` says otherwise.
fn same(batch: &BatchSpec, pools: &[PoolSpec]) -> bool {
    let old = modern(batch);
    let [pool] = pools else { return false };
    let size = |pool: &PoolSpec| {
        filled(pool.vm_size.as_ref()).unwrap_or(defaults::POOL_VM_SIZE).to_ascii_lowercase()
    };
    filled(pool.kind.as_ref()).is_none_or(|kind| kind_of(kind) == Some(PoolKind::Batch))
        && old.name == pool.name
        && size(&old) == size(pool)
        && old.dedicated.unwrap_or(0) == pool.dedicated.unwrap_or(0)
        && old.spot.unwrap_or(0) == pool.spot.unwrap_or(0)
}
