//! The pools, from `pools` or the old tool's `batch`.

use super::{Check, filled};
use crate::name::Kind;
use crate::spec::defaults;
use crate::spec::farm::{Pool, PoolKind};
use crate::spec::file::{BatchSpec, PoolSpec};
use crate::spec::image::{KNOWN, PoolImage};

impl Check<'_> {
    pub(super) fn pools(&mut self) -> Vec<Pool> {
        let specs: Vec<(String, PoolSpec)> = match (&self.spec.pools, &self.spec.batch) {
            (Some(pools), batch) => {
                if let Some(batch) = batch.as_ref().filter(|batch| !same(batch, pools)) {
                    let id = filled(batch.pool_id.as_ref()).unwrap_or_default().to_owned();
                    let why =
                        format!("the old block describes a pool `{id}` that `pools` describes otherwise");
                    self.value("batch", why, "delete the block `batch`: `pools` replaces it");
                }
                pools.iter().enumerate().map(|(i, pool)| (format!("pools[{i}]"), pool.clone())).collect()
            }
            (None, Some(batch)) => vec![("batch".to_owned(), modern(batch))],
            (None, None) => vec![("pools".to_owned(), default_pool())],
        };
        if specs.is_empty() {
            self.value(
                "pools",
                "the list is empty",
                "describe one pool, or delete the key to get the default one",
            );
        }
        let mut pools: Vec<Pool> = Vec::new();
        for (key, spec) in specs {
            let Some(pool) = self.pool(&key, &spec) else { continue };
            if pools.iter().any(|other| other.name.eq_ignore_ascii_case(&pool.name)) {
                let why =
                    format!("there are two pools `{}`; Batch does not tell upper from lower case", pool.name);
                self.value(&format!("{key}.name"), why, "give each pool a name of its own");
            }
            pools.push(pool);
        }
        pools
    }

    fn pool(&mut self, at: &str, spec: &PoolSpec) -> Option<Pool> {
        // The old tool's keys have other names; messages use those that stand in the file.
        let key = |new: &str, old: &str| format!("{at}.{}", if at == "batch" { old } else { new });
        let name_key = key("name", "poolID");
        if filled(spec.name.as_ref()).is_none() {
            self.value(
                &name_key,
                "the pool has no name",
                format!("for example `name: {}`", defaults::POOL_NAME),
            );
        }
        let name = self.name(&name_key, Kind::Pool, spec.name.as_ref());
        let kind = self.kind(&key("kind", "kind"), filled(spec.kind.as_ref()));
        let size = filled(spec.vm_size.as_ref()).unwrap_or(defaults::POOL_VM_SIZE);
        let vm_size = self.size(&key("vmSize", "vmSize"), size);
        let image =
            self.image(&key("image", "image"), filled(spec.image.as_ref()).unwrap_or(defaults::POOL_IMAGE));
        let (dedicated, spot) = (spec.dedicated.unwrap_or(0), spec.spot.unwrap_or(0));
        let start = dedicated.saturating_add(spot);
        let max_nodes = spec.max_nodes.unwrap_or(defaults::MAX_NODES.max(start));
        if max_nodes == 0 || max_nodes > MOST_NODES {
            let why = format!("a pool can have 1 to {MOST_NODES} nodes, not {max_nodes}");
            let at = if spec.max_nodes.is_some() {
                key("maxNodes", "maxNodes")
            } else {
                key("dedicated", "targetDedicatedNodes")
            };
            self.value(&at, why, "correct the number, or delete the key to get the default");
            return None;
        }
        if start > max_nodes {
            let why = format!("dedicated + spot is {start}, more than maxNodes {max_nodes}");
            let remedy = format!("raise it to `maxNodes: {start}`, or start with fewer nodes");
            self.value(&key("maxNodes", "maxNodes"), why, remedy);
        }
        Some(Pool { name: name?, kind: kind?, vm_size: vm_size?, image: image?, dedicated, spot, max_nodes })
    }

    fn kind(&mut self, key: &str, kind: Option<&str>) -> Option<PoolKind> {
        let kind = kind.unwrap_or("batch");
        let remedy = "use `kind: batch`, or delete the key";
        match kind.to_ascii_lowercase().as_str() {
            "batch" => return Some(PoolKind::Batch),
            "vmss" => self.value(key, "scale-set pools (`vmss`) come in a later version", remedy),
            _ => self.value(key, format!("`{kind}` is not a kind of pool"), remedy),
        }
        None
    }

    fn image(&mut self, key: &str, text: &str) -> Option<PoolImage> {
        let image = PoolImage::parse(text);
        if image.is_none() {
            let aliases: Vec<&str> = KNOWN.iter().map(|row| row.0).collect();
            let remedy = format!("use one of {}, or the id of a Compute Gallery image", aliases.join(", "));
            self.value(key, format!("`{text}` is not an image that nodes can boot"), remedy);
        }
        image
    }
}

/// No single pool is larger: the largest share of a subscription's 25,000 machines that one region's subnets carry.
const MOST_NODES: u32 = 10_000;

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
    old.name == pool.name
        && size(&old) == size(pool)
        && old.dedicated.unwrap_or(0) == pool.dedicated.unwrap_or(0)
        && old.spot.unwrap_or(0) == pool.spot.unwrap_or(0)
}
