//! Sorting what was seen: which machines are nodes, which are on their way, which have to go.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::asked::{AskedSet, later};
use crate::marks::Marks;
use crate::observe::{Instance, InstanceState, Observed, Provisioning, ScaleSet};
use crate::reconcile::VictimWhy;
use crate::spec::{Placement, Policy, Priority};
use crate::target::Target;

/// One scale set, sorted.
pub(super) struct Seen<'a> {
    pub(super) set: &'a ScaleSet,
    /// Its placement's position in the policy; none if it is not listed.
    pub(super) rank: Option<usize>,
    /// Whether its machines are known.
    pub(super) known: bool,
    /// It is being removed.
    pub(super) doomed: bool,
    /// It was grown and the outcome is not seen yet.
    pub(super) waiting: bool,
    /// Its nodes.
    pub(super) live: Vec<&'a Instance>,
    /// Machines to delete now.
    pub(super) goners: Vec<(&'a Instance, VictimWhy)>,
    /// Machines in Azure's list.
    pub(super) listed: u32,
    /// Places that come free when broken machines are gone.
    pub(super) freeing: u32,
    /// Nodes that are here, on their way or asked for: at most so many.
    pub(super) pledged: u32,
    /// Machines that its capacity counts and that are neither here nor on their way.
    pub(super) owed: u32,
    /// How many more it may be asked for.
    pub(super) room: u32,
    /// What more is added to: its capacity, or its machines where Azure lists more than that.
    pub(super) base: u32,
}

/// A set that was asked for and is not in the list yet.
pub(super) struct Coming<'a> {
    pub(super) asked: &'a AskedSet,
    pub(super) rank: Option<usize>,
}

/// Everything, sorted.
pub(super) struct Survey<'a> {
    pub(super) sets: Vec<Seen<'a>>,
    pub(super) coming: Vec<Coming<'a>>,
    /// Whether each placement of the policy can be used now.
    pub(super) open: Vec<bool>,
    /// The placement that is open for one set only, to see whether its wall is gone.
    pub(super) probe: Option<usize>,
    pub(super) next_generation: u64,
    /// Sets whose machines are not known.
    pub(super) unread: Vec<&'a str>,
    /// Nodes that are up.
    pub(super) running: u32,
    /// Nodes up, on their way or asked for, at most.
    pub(super) pledged: u32,
    /// Those of them that are pay-as-you-go.
    pub(super) regular: u32,
    /// Nothing is on its way, in or out.
    pub(super) calm: bool,
}

impl<'a> Survey<'a> {
    pub(super) fn new(
        observed: &'a Observed,
        target: &Target,
        marks: &Marks,
        policy: &'a Policy,
        now: Timestamp,
    ) -> Self {
        let ranks: BTreeMap<&Placement, usize> =
            policy.placements.iter().enumerate().map(|(rank, one)| (one, rank)).collect();
        let mut open: Vec<bool> =
            policy.placements.iter().map(|one| marks.blocking(one, now).is_none()).collect();
        let sorter = Sorter { observed, target, policy, now };
        let mut sets: Vec<Seen<'a>> =
            observed.sets.iter().map(|set| sorter.sort(set, ranks.get(&set.placement).copied())).collect();
        sets.sort_by(|a, b| (a.set.generation, &a.set.name).cmp(&(b.set.generation, &b.set.name)));
        // A list that shows a set twice was changed while it was read: what is known of the set is not to be trusted.
        let mut twice = Vec::new();
        sets.dedup_by(|second, first| {
            let same = first.set.name.eq_ignore_ascii_case(&second.set.name);
            if same {
                first.pledged = first.pledged.max(second.pledged);
                first.known = false;
                twice.push(first.set.name.as_str());
            }
            same
        });
        let here: std::collections::BTreeSet<&str> = sets.iter().map(|seen| seen.set.name.as_str()).collect();
        let coming: Vec<Coming<'a>> = observed
            .asked
            .sets
            .iter()
            .filter(|(name, asked)| {
                !here.contains(name.as_str()) && !asked.when.shown(observed.as_of, policy)
            })
            .map(|(_, asked)| Coming { asked, rank: ranks.get(&asked.placement).copied() })
            .collect();

        // The answer to the last request there is waited for.
        let under_way = |rank: usize| {
            let busy = |seen: &Seen| seen.waiting || !seen.set.provisioning.is_settled();
            coming.iter().any(|one| one.rank == Some(rank))
                || sets.iter().any(|seen| seen.rank == Some(rank) && busy(seen))
        };
        let paid = policy.on_demand_percent > 0;
        let usable = policy.placements.iter().filter(|one| paid || one.priority == Priority::Spot);
        let probe = marks.probe(usable, now).and_then(|one| ranks.get(one).copied());
        let probe = probe.filter(|rank| !under_way(*rank));
        if let Some(rank) = probe {
            open[rank] = true;
        }

        let mut unread: Vec<&'a str> =
            sets.iter().filter(|seen| !seen.known).map(|seen| seen.set.name.as_str()).collect();
        unread.extend(twice);
        unread.dedup();
        let running = sets
            .iter()
            .flat_map(|seen| &seen.live)
            .filter(|one| one.state != InstanceState::Creating)
            .count() as u32;
        let all = || {
            let seen = sets.iter().map(|seen| (seen.set.placement.priority, seen.pledged));
            seen.chain(coming.iter().map(|one| (one.asked.placement.priority, one.asked.capacity)))
        };
        let total = |only: Option<Priority>| {
            all()
                .filter(|(priority, _)| only.is_none_or(|only| only == *priority))
                .fold(0_u32, |sum, (_, nodes)| sum.saturating_add(nodes))
        };
        let (pledged, regular) = (total(None), total(Some(Priority::Regular)));
        let live: usize = sets.iter().map(|seen| seen.live.len()).sum();
        let listed: u64 = sets.iter().map(|seen| u64::from(seen.listed)).sum();
        let highest =
            sets.iter().map(|seen| seen.set.generation).max().map_or(0, |highest| highest.saturating_add(1));
        // A set in which something goes on, or an empty one, is not to stay as it is.
        let settled = |seen: &Seen| seen.set.provisioning.is_settled() && seen.listed > 0;
        let still = coming.is_empty() && unread.is_empty() && sets.iter().all(settled);
        Self {
            calm: still && pledged == running && live as u64 == listed,
            open,
            probe,
            next_generation: observed.asked.next_generation.max(highest),
            unread,
            running,
            pledged,
            regular,
            coming,
            sets,
        }
    }

    /// Whether the set can be asked for more nodes now.
    pub(super) fn open(&self, rank: Option<usize>) -> bool {
        rank.and_then(|rank| self.open.get(rank)) == Some(&true)
    }
}

struct Sorter<'a, 'b> {
    observed: &'a Observed,
    target: &'b Target,
    policy: &'a Policy,
    now: Timestamp,
}

/// What a machine is to the scaler.
enum Role {
    Node,
    /// Told to go for the count's sake. Whether Azure heard of it may not be known, and then it may well stay.
    Told {
        /// Azure accepted it.
        sure: bool,
    },
    /// On its way out, or to be deleted for this reason.
    Out(Option<VictimWhy>),
}

impl<'a> Sorter<'a, '_> {
    fn sort(&self, set: &'a ScaleSet, rank: Option<usize>) -> Seen<'a> {
        let as_of = self.observed.as_of;
        let asked = self
            .observed
            .asked
            .sets
            .get(&set.name)
            .filter(|asked| !asked.when.shown(as_of, self.policy))
            .map(|asked| asked.capacity);
        let removed = self.observed.asked.removals.get(&set.name);
        let doomed = set.provisioning == Provisioning::Deleting
            || removed.is_some_and(|when| !when.shown(as_of, self.policy));
        // Its failure is seen before its reason is heard: the same request would only fail again.
        let unexplained =
            set.provisioning == Provisioning::Failed && self.observed.growing.contains(&set.name);
        let mut seen = Seen {
            set,
            rank,
            known: false,
            doomed,
            waiting: asked.is_some() || unexplained,
            live: Vec::new(),
            goners: Vec::new(),
            listed: 0,
            freeing: 0,
            pledged: set.capacity.max(asked.unwrap_or(0)),
            owed: 0,
            room: 0,
            base: set.capacity,
        };
        let Some(instances) = set.instances.as_ref().filter(|all| distinct(all)) else { return seen };
        seen.known = true;
        seen.listed = instances.len() as u32;
        let mut deleting = 0;
        let mut may_stay = 0;
        for one in instances {
            deleting += u32::from(one.state == InstanceState::Deleting);
            match self.role(one) {
                Role::Node if !doomed => seen.live.push(one),
                Role::Node => {}
                Role::Told { sure } => may_stay += u32::from(!sure),
                Role::Out(why) => {
                    if let Some(why) = why {
                        seen.goners.push((one, why));
                    }
                    seen.freeing += u32::from(self.frees(one));
                }
            }
        }
        // Azure counts a machine that is being deleted in the capacity or not: the larger outcome is assumed.
        let missing = set.capacity.saturating_sub(seen.listed - deleting);
        // Machines that were told to go, or have to, are not in what the set is grown from, though they are still listed:
        // Azure's capacity says whether they are there, or the set's etag is not that of this look. Nodes are: asked for
        // fewer than there are, Azure would choose which of them go.
        seen.base = set.capacity.max(seen.live.len() as u32 + may_stay);
        let settled = set.provisioning.is_settled();
        let on_their_way = if settled { 0 } else { missing };
        seen.owed = if settled { missing } else { 0 };
        // What is listed may be from before machines went that the asked capacity is without: all of it may be nodes.
        seen.pledged =
            (seen.live.len() as u32 + may_stay).saturating_add(on_their_way).max(asked.unwrap_or(0));
        if doomed {
            seen.pledged = 0;
        }
        let taken = set.capacity.max(seen.listed).max(asked.unwrap_or(0));
        seen.room = self.policy.density.saturating_sub(taken) + seen.owed;
        seen
    }

    fn role(&self, one: &Instance) -> Role {
        let requested = self.target.leaving.contains_key(&one.vm);
        let why = match one.state {
            InstanceState::Deleting => return Role::Out(None),
            _ if requested => VictimWhy::Requested,
            InstanceState::Failed => VictimWhy::Failed,
            InstanceState::Stopped => VictimWhy::Stopped,
            InstanceState::Creating if self.overdue(one) => VictimWhy::Stuck,
            _ => return self.told(one).unwrap_or(Role::Node),
        };
        let again = self.observed.asked.deletions.get(&one.vm).is_none_or(|when| {
            when.failed_before(self.observed.as_of)
                || when.shown(self.observed.as_of, self.policy)
                    && later(when.at, self.policy.redo_after).is_some_and(|end| self.now >= end)
        });
        Role::Out(again.then_some(why))
    }

    fn told(&self, one: &Instance) -> Option<Role> {
        let when = self.observed.asked.deletions.get(&one.vm)?;
        let over = later(when.at, self.policy.redo_after).is_some_and(|end| self.now >= end);
        let stays = over && when.shown(self.observed.as_of, self.policy);
        // Long since asked for or known to have failed, surely seen since, and not on its way out: it is a node again.
        (!stays && !when.failed_before(self.observed.as_of))
            .then_some(Role::Told { sure: when.accepted.is_some() })
    }

    fn overdue(&self, one: &Instance) -> bool {
        later(one.created, self.policy.boot_budget).is_some_and(|end| self.now > end)
    }

    /// Whether a machine on its way out leaves a place that is to be filled again, and soon.
    fn frees(&self, one: &Instance) -> bool {
        !self.target.leaving.contains_key(&one.vm)
            && self
                .observed
                .asked
                .deletions
                .get(&one.vm)
                .is_none_or(|when| later(when.first, self.policy.hold_for).is_some_and(|end| self.now <= end))
    }
}

/// Whether no machine is listed twice, as happens when a page is repeated.
fn distinct(instances: &[Instance]) -> bool {
    let mut ids: Vec<_> = instances.iter().map(|one| one.vm).collect();
    ids.sort_unstable();
    ids.windows(2).all(|pair| pair[0] != pair[1])
}
