//! Reads the pool's scale sets and machines: all of them while little goes on, those that matter most when there are
//! too many to ask for at once.
//!
//! One list of scale sets is read in each pass. A set's capacity goes down when a machine of it is evicted or deleted
//! (Microsoft's page "Spot Priority Mix" has an example; for Uniform sets others saw it), so a set that looks as it did,
//! and had nothing going on, still has the machines that it had. That guess is never relied on for long: machines of
//! quiet sets are listed too, as often as a part of Azure's budget for reads allows, which up to 1,000 nodes is each pass.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flamenco_azure_core::arm::{ArmClient, ArmError, Kind, Request};
use flamenco_azure_core::error::chain;
use flamenco_azure_core::ids::ResourceId;
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;

use crate::asked::Asked;
use crate::buckets::{Buckets, Class};
use crate::desired::set_id;
use crate::observe::{Instance, InstanceState, Observed, Provisioning, RenderView, VmId};
use crate::read::{self, Listed, Odd};
use crate::skus::Catalog;
use crate::spec::Policy;
use crate::template::Mode;
use crate::wire;

/// Reads at once.
const AT_ONCE: usize = 8;
/// The part of Azure's budget for lists that quiet sets may take, in percent: others read from the same one.
const QUIET_SHARE: u64 = 55;
/// A set in which something goes on is not looked at more often.
const BUSY_AGAIN: Duration = Duration::from_secs(5);
/// What Azure's lists may lag behind. UNCONFIRMED: no figure is published. A longer lag leads to no machine too many,
/// for growth is sent under the set's etag and new sets are asked for by name.
pub const LIST_LAG: Duration = Duration::from_secs(10);

/// What was seen in one pass.
#[derive(Debug, Clone)]
pub struct Look {
    /// What is decided from.
    pub observed: Observed,
    /// The sets by name, with what requests need.
    pub sets: BTreeMap<String, Listed>,
    /// Sets whose machines were listed in this pass.
    pub listed_now: BTreeSet<String>,
    /// Machines by their names and by their computer names, in lower case.
    pub computers: BTreeMap<String, VmId>,
    /// What could not be read, in words.
    pub troubles: Vec<String>,
}

/// A machine as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What is decided from.
    pub instance: Instance,
    /// Azure's name of the machine, which its Worker has too.
    pub name: String,
    /// Its computer name in lower case, by which other render managers know it.
    pub computer: Option<String>,
}

/// What is remembered of a set's machines.
#[derive(Debug, Clone)]
struct Known {
    /// The set as it looked.
    capacity: u32,
    provisioning: Provisioning,
    etag: Option<String>,
    /// Its machines then.
    machines: Vec<Machine>,
    /// When.
    at: Timestamp,
}

impl Known {
    fn same(&self, listed: &Listed) -> bool {
        let set = &listed.set;
        (self.capacity, self.provisioning, &self.etag) == (set.capacity, set.provisioning, &set.etag)
    }

    fn quiet(&self) -> bool {
        matches!(self.provisioning, Provisioning::Succeeded | Provisioning::Failed)
            && self.machines.len() == self.capacity as usize
            && self.machines.iter().all(|one| one.instance.state == InstanceState::Running)
    }
}

/// Looks at a pool, and remembers between passes what need not be read again.
#[derive(Debug, Default)]
pub struct Looker {
    known: BTreeMap<String, Known>,
    /// When machines without a time of creation were seen first.
    first_seen: BTreeMap<VmId, Timestamp>,
}

/// Why a pass could not look.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// Azure refused or could not be reached.
    #[error("could not list {what}")]
    Azure {
        /// What.
        what: String,
        /// Why.
        source: Box<ArmError>,
    },
    /// Azure's answer was not understood.
    #[error("azure's list of {what} was not understood")]
    Odd {
        /// What.
        what: &'static str,
        /// What is odd.
        source: Odd,
    },
}

impl Looker {
    /// Looks once. Never fails: what could not be read is missing from the result, which says so.
    #[allow(clippy::too_many_arguments, reason = "all that a look depends on, each once")]
    pub async fn look(
        &mut self,
        client: &ArmClient,
        group: &ResourceId,
        policy: &Policy,
        catalog: &Catalog,
        asked: &Asked,
        leaving: &BTreeSet<VmId>,
        buckets: &mut Buckets,
    ) -> Look {
        let began = client.clock().now();
        let mut look = Look {
            observed: Observed {
                as_of: earlier(began, LIST_LAG),
                sets_complete: false,
                sets: Vec::new(),
                view: RenderView::default(),
                room: None,
                asked: asked.clone(),
                growing: BTreeSet::new(),
            },
            sets: BTreeMap::new(),
            listed_now: BTreeSet::new(),
            computers: BTreeMap::new(),
            troubles: Vec::new(),
        };
        match self.sets(client, group, policy, catalog, asked, buckets).await {
            Ok(sets) => look.sets = sets,
            Err(error) => {
                look.troubles.push(chain(&error));
                return look;
            }
        }
        look.observed.sets_complete = true;
        self.known.retain(|name, _| look.sets.contains_key(name));
        let chosen = self.choose(&look.sets, asked, leaving, policy, buckets, began);
        let reads = chosen.into_iter().map(|name| {
            let mode = look.sets[&name].mode;
            let id = set_id(group, &name);
            async move {
                let at = client.clock().now();
                (name, at, machines(client, &id, mode, at).await)
            }
            .boxed()
        });
        // Boxed and collected: without, the compiler does not see that the whole can run on any thread.
        let reads: Vec<_> = reads.collect();
        let answers: Vec<_> = futures::stream::iter(reads).buffer_unordered(AT_ONCE).collect().await;
        for (name, at, answer) in answers {
            match answer {
                Ok(machines) => {
                    self.remember(&look.sets[&name], machines, at);
                    look.listed_now.insert(name);
                }
                Err(error) => {
                    if let LookError::Azure { source, .. } = &error {
                        closed(
                            buckets,
                            list_class(look.sets[&name].mode),
                            Some(&name),
                            source,
                            client.clock().now(),
                        );
                        if source.is_not_found() {
                            self.known.remove(&name);
                        }
                    }
                    look.troubles.push(chain(&error));
                }
            }
        }
        let now = client.clock().now();
        for (name, listed) in &look.sets {
            let mut set = listed.set.clone();
            if let Some(known) = self.known.get(name) {
                let attested = known.same(listed) && known.quiet();
                let at = if attested { began } else { known.at.min(began) };
                let fresh = crate::asked::later(at, policy.max_age).is_some_and(|end| end > now);
                if fresh {
                    look.observed.as_of = look.observed.as_of.min(earlier(at, LIST_LAG));
                    set.instances = Some(known.machines.iter().map(|one| one.instance.clone()).collect());
                    for one in &known.machines {
                        let names =
                            std::iter::once(one.name.to_ascii_lowercase()).chain(one.computer.clone());
                        look.computers.extend(names.map(|name| (name, one.instance.vm)));
                    }
                }
            }
            look.observed.sets.push(set);
        }
        let listed: BTreeSet<VmId> =
            self.known.values().flat_map(|known| known.machines.iter().map(|one| one.instance.vm)).collect();
        self.first_seen.retain(|vm, _| listed.contains(vm));
        look
    }

    /// All sets of the pool: those listed, and those that were asked for and that the list does not show, by name.
    async fn sets(
        &self,
        client: &ArmClient,
        group: &ResourceId,
        policy: &Policy,
        catalog: &Catalog,
        asked: &Asked,
        buckets: &mut Buckets,
    ) -> Result<BTreeMap<String, Listed>, LookError> {
        let now = client.clock().now();
        buckets.take(Class::SetList, None, now);
        let azure = |what: &str, source: ArmError| LookError::Azure {
            what: what.to_owned(),
            source: Box::new(source),
        };
        let items = match client.list(&wire::sets(group)).await {
            Ok(items) => items,
            Err(error) => {
                closed(buckets, Class::SetList, None, &error, client.clock().now());
                return Err(azure("the scale sets", error));
            }
        };
        let odd = |source| LookError::Odd { what: "scale sets", source };
        let mut sets = BTreeMap::new();
        for item in &items {
            if let Some(listed) = read::set(item, policy, catalog).map_err(odd)? {
                sets.insert(listed.set.name.clone(), listed);
            }
        }
        let unseen: Vec<&String> = asked.sets.keys().filter(|name| !sets.contains_key(*name)).collect();
        for name in unseen {
            buckets.take(Class::SetGet, Some(name), client.clock().now());
            let request = Request::get(set_id(group, name).as_str()).api_version(wire::COMPUTE_API);
            let item = client.get(&request).await.map_err(|error| azure("a scale set", error))?;
            if let Some(listed) =
                item.map(|item| read::set(&item, policy, catalog)).transpose().map_err(odd)?.flatten()
            {
                sets.insert(listed.set.name.clone(), listed);
            }
        }
        Ok(sets)
    }

    /// Which sets' machines are listed now: first those never seen or changed, then those in which something goes on,
    /// then quiet ones, the longest unseen first; as many as the budget allows.
    fn choose(
        &self,
        sets: &BTreeMap<String, Listed>,
        asked: &Asked,
        leaving: &BTreeSet<VmId>,
        policy: &Policy,
        buckets: &mut Buckets,
        now: Timestamp,
    ) -> Vec<String> {
        let mut order: Vec<(u8, Timestamp, &String)> = Vec::new();
        for (name, listed) in sets {
            let Some(known) = self.known.get(name) else {
                order.push((0, Timestamp::MIN, name));
                continue;
            };
            let busy = !known.quiet()
                || asked.sets.contains_key(name)
                || known.machines.iter().any(|one| {
                    leaving.contains(&one.instance.vm) || asked.deletions.contains_key(&one.instance.vm)
                });
            let rank = match (known.same(listed), busy) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => 2,
            };
            if rank == 2 || crate::asked::later(known.at, BUSY_AGAIN).is_some_and(|end| end <= now) {
                order.push((rank, known.at, name));
            }
        }
        order.sort_unstable();
        let per_pass = policy.calm_look.as_secs().max(1) * QUIET_SHARE;
        let mut quiet_left: BTreeMap<Class, u64> = BTreeMap::new();
        let mut chosen = Vec::new();
        for (rank, _, name) in order {
            let class = list_class(sets[name].mode);
            if rank == 2 {
                let left = quiet_left
                    .entry(class)
                    .or_insert_with(|| u64::from(class.per_subscription().refill) * per_pass / 60 / 100);
                if *left == 0 {
                    continue;
                }
                *left -= 1;
            }
            if buckets.next(class, Some(name), now) <= now {
                buckets.take(class, Some(name), now);
                chosen.push(name.clone());
            }
        }
        chosen
    }

    fn remember(&mut self, listed: &Listed, mut machines: Vec<Machine>, at: Timestamp) {
        for one in machines.iter_mut().map(|one| &mut one.instance) {
            if one.created == at {
                one.created = *self.first_seen.entry(one.vm).or_insert(at);
            }
        }
        let known = Known {
            capacity: listed.set.capacity,
            provisioning: listed.set.provisioning,
            etag: listed.set.etag.clone(),
            machines,
            at,
        };
        self.known.insert(listed.set.name.clone(), known);
    }
}

/// Lists the machines of one set, all pages.
pub async fn machines(
    client: &ArmClient,
    set: &ResourceId,
    mode: Mode,
    now: Timestamp,
) -> Result<Vec<Machine>, LookError> {
    let what = || format!("the machines of `{}`", set.name());
    let items = client
        .list(&wire::machines(set, mode == Mode::Flexible))
        .await
        .map_err(|source| LookError::Azure { what: what(), source: Box::new(source) })?;
    let mut all = Vec::with_capacity(items.len());
    for item in &items {
        let one = read::machine(item, set, mode, now)
            .map_err(|source| LookError::Odd { what: "machines", source })?;
        let computer = read::computer(item).map(str::to_ascii_lowercase);
        let name = item.get("name").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        all.extend(one.map(|instance| Machine { instance, name, computer }));
    }
    Ok(all)
}

/// The bucket that a list of machines is taken from.
fn list_class(mode: Mode) -> Class {
    match mode {
        Mode::Uniform => Class::SetList,
        Mode::Flexible => Class::MachineList,
    }
}

/// Notes that Azure asked to wait.
pub(crate) fn closed(
    buckets: &mut Buckets,
    class: Class,
    resource: Option<&str>,
    error: &ArmError,
    now: Timestamp,
) {
    if let Kind::Throttled { after } = error.kind() {
        let after = after.unwrap_or(Duration::from_mins(1));
        if let Some(until) = crate::asked::later(now, after) {
            buckets.closed(class, resource, until, now);
        }
    }
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(at)
}
