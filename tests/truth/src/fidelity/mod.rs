//! Fidelity: every recorded request to the simulator, whose answer is compared with the recorded one.
//!
//! The state before each request comes from earlier interactions and fixed defaults (see [`seed`](self::seed)), the time
//! from the recording's dates and polls (see [`timing`](self::timing)); neither looks at the answer under test. What is
//! compared stands in [`compare`]; what is known to differ stands in [`azure_sim::differences`].
//!
//! Not judged, and counted as not covered: a *first sight*, that is an answer which shows a resource that nothing before
//! it made or showed. It becomes state for what follows.

mod aliases;
mod batch;
mod catalogue;
pub mod compare;
mod known;
mod names;
mod plain;
mod seed;
mod template;
mod timing;

use std::collections::BTreeMap;

use azure_sim::{Action, Fault, Match, OperationFault, SimRequest, SimResponse, World, WorldConfig};
use flamenco_azure_core::arm::Method;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::links;
use crate::operations::{Class, classify};
use crate::recording::{Interaction, Malformed, Recording, kept_retry_after};
use crate::report::{Floors, Outcome, Report};
use compare::Setting;
use known::Known;
use seed::Memory;
use timing::Held;

/// What must hold.
pub const FLOORS: Floors = Floors { passed: 95, covered: 90 };

/// The subscription of all recordings.
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// Judges recordings. Stale rows of the table of known differences are reported when `complete` (the folder is the full
/// one: in a part of it many rows cannot occur).
pub fn judge(recordings: &[Recording], malformed: Vec<Malformed>, complete: bool) -> Report {
    let mut report = Report::new("fidelity", FLOORS);
    report.malformed = malformed;
    let mut known = Known::default();
    for recording in recordings {
        for session in recording.sessions() {
            for judged in judge_session(session) {
                let interaction = &session[judged.index];
                let place = format!("{} n={} {}", recording.name, interaction.n, interaction.line());
                let outcome = match judged.verdict {
                    Verdict::Differs(differences) if differences.is_empty() => Outcome::Passed,
                    Verdict::Differs(differences) => {
                        match known.unexplained(&judged.operation, differences) {
                            left if left.is_empty() => Outcome::Known,
                            left => Outcome::Failed(left),
                        }
                    }
                    Verdict::NotCovered(reason) => Outcome::NotCovered(reason),
                    Verdict::Next(reason) => Outcome::Next(reason),
                    Verdict::OutOfScope(reason) => Outcome::OutOfScope(reason),
                    Verdict::Unknown => Outcome::Unknown,
                };
                report.add(&place, &judged.operation, outcome);
            }
        }
    }
    report.notes.extend(known.lines());
    if complete {
        report.stale = known.stale();
    }
    report
}

/// What came of one interaction, before the table of known differences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Judged; the differences, none when all is as recorded.
    Differs(Vec<String>),
    /// In scope, not judged.
    NotCovered(String),
    /// Neither product nor simulator has it today.
    Next(String),
    /// Not ours.
    OutOfScope(String),
    /// On no list.
    Unknown,
}

/// One interaction's judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Index in the session.
    pub index: usize,
    /// Name of the operation.
    pub operation: String,
    /// What came of it.
    pub verdict: Verdict,
    /// What the simulator answered: status and body; `None` when it was not asked.
    pub answer: Option<(u16, Value)>,
}

/// Whose poll a recorded link is.
#[derive(Debug, Clone)]
enum Owner {
    /// The simulator's link in its place, the operation, and whether its request is unknown.
    Ours(Url, String, bool),
    /// The operation is not judged.
    Not(Verdict),
}

/// Judges the interactions of one session.
pub fn judge_session(session: &[Interaction]) -> Vec<Judged> {
    let mut bench = Bench::new(session);
    (0..session.len()).map(|index| bench.judge(index)).collect()
}

/// The answer of a world that knows nothing but this request: what it reads and stands on is there in its plainest form.
pub fn ask_alone(interaction: &Interaction) -> SimResponse {
    let session = std::slice::from_ref(interaction);
    let mut bench = Bench::new(session);
    bench.prepare(0);
    if interaction.method.is_read() {
        let path = interaction.url.path().to_owned();
        bench.memory.ensure(&mut bench.world, &path);
        if let Some(host) = interaction.url.host_str().filter(|host| host.ends_with(".batch.azure.com")) {
            bench.memory.read_pool(&mut bench.world, host, interaction);
        }
    }
    if let Some(package) = batch::activated(interaction) {
        bench.world.upload_package(package, b"PK");
    }
    let request = bench.request(interaction);
    seed::ask(&mut bench.world, &request)
}

struct Bench<'a> {
    session: &'a [Interaction],
    world: World,
    memory: Memory,
    held: Vec<Held>,
    owners: BTreeMap<String, Owner>,
    retry_after: bool,
    /// Names that Azure made up, as they were recorded, with those of the simulator.
    aliases: BTreeMap<String, String>,
}

impl<'a> Bench<'a> {
    fn new(session: &'a [Interaction]) -> Self {
        let mut config = WorldConfig::new(SUBSCRIPTION);
        config.quota_cores = 10_000;
        if let Some(date) = session.iter().find_map(Interaction::date) {
            config.start = date;
        }
        let mut world = World::new(config);
        world.throttling(false);
        Self {
            session,
            world,
            memory: Memory::default(),
            held: Vec::new(),
            owners: BTreeMap::new(),
            retry_after: kept_retry_after(session),
            aliases: BTreeMap::new(),
        }
    }

    fn judge(&mut self, index: usize) -> Judged {
        let interaction = &self.session[index];
        self.pass_time(index);
        let judged = |operation: &str, verdict| Judged {
            index,
            operation: operation.to_owned(),
            verdict,
            answer: None,
        };
        match classify(interaction.method, &interaction.url) {
            Class::InScope(name) => self.ask(index, name),
            Class::Poll => match self.owners.get(&links::key(&interaction.url)).cloned() {
                Some(Owner::Ours(url, operation, unknown)) => self.poll(index, &url, &operation, unknown),
                Some(Owner::Not(verdict)) => {
                    self.disown(interaction, &verdict);
                    judged("operation poll", verdict)
                }
                None => judged(
                    "operation poll",
                    Verdict::NotCovered(
                        "the recording does not show what the polled operation is of".to_owned(),
                    ),
                ),
            },
            Class::Later(name, reason) => {
                let verdict = Verdict::NotCovered(reason.to_owned());
                self.disown(interaction, &verdict);
                judged(&name, verdict)
            }
            Class::Next(name, reason) => {
                let verdict = Verdict::Next(reason.to_owned());
                self.disown(interaction, &verdict);
                judged(&name, verdict)
            }
            Class::OutOfScope(name, reason) => {
                for (id, body) in template::resources(interaction) {
                    self.memory.put(&mut self.world, &id, &body);
                }
                let verdict = Verdict::OutOfScope(reason.to_owned());
                self.disown(interaction, &verdict);
                judged(&name, verdict)
            }
            Class::Unknown(name) => judged(&name, Verdict::Unknown),
        }
    }

    /// Polls of an operation that is not judged are not judged for the same reason.
    fn disown(&mut self, interaction: &Interaction, verdict: &Verdict) {
        for (_, link) in interaction.links() {
            self.owners.entry(links::key(&link)).or_insert_with(|| Owner::Not(verdict.clone()));
        }
    }

    fn pass_time(&mut self, index: usize) {
        let now: Timestamp = self.session[index].date().unwrap_or(self.world.now()).max(self.world.now());
        self.world.clear_faults();
        self.world.advance_to(now);
        let due: Vec<Held>;
        (due, self.held) = std::mem::take(&mut self.held).into_iter().partition(|held| held.until <= index);
        for held in due {
            self.world.end_operation(&held.link);
        }
        self.world.advance_to(now);
    }

    /// The request as it was recorded, with what the simulator's catalogue has.
    fn request(&mut self, interaction: &Interaction) -> SimRequest {
        let mut url = interaction.url.to_string();
        for (theirs, ours) in &self.aliases {
            url = url.replace(theirs.as_str(), ours);
        }
        if let Some((front, rest)) = url.split_once("/locations/")
            && let Some(place) = rest.split(['/', '?']).next()
            && catalogue::region(place) != place
        {
            url = format!("{front}/locations/{}{}", catalogue::region(place), &rest[place.len()..]);
        }
        let url = Url::parse(&url).unwrap_or_else(|_| interaction.url.clone());
        let request = SimRequest::new(interaction.method.as_str(), url).header("authorization", "Bearer any");
        match self.body(interaction) {
            Some(body) => request.json_body(&body),
            None => request,
        }
    }

    fn body(&mut self, interaction: &Interaction) -> Option<Value> {
        let body = match (&interaction.body, interaction.method) {
            (Some(body), _) => body.clone(),
            (None, method @ (Method::Put | Method::Patch)) => {
                self.memory.default_body(&mut self.world, interaction.url.path(), method)
            }
            (None, Method::Post) => {
                let nodes = self.pool_of(interaction).map(|pool| self.world.nodes(&pool)).unwrap_or_default();
                let nodes: Vec<String> = nodes.into_iter().map(|(id, _)| id).collect();
                batch::default_post(interaction.url.path(), &nodes)?
            }
            (None, _) => return None,
        };
        let mut text = catalogue::substituted(&body).to_string();
        for (theirs, ours) in &self.aliases {
            text = text.replace(theirs.as_str(), ours);
        }
        serde_json::from_str(&text).ok()
    }

    /// The pool of a request to the data plane, as the control plane names it.
    fn pool_of(&self, interaction: &Interaction) -> Option<String> {
        let host = interaction.url.host_str().filter(|host| host.ends_with(".batch.azure.com"))?;
        let account = self.world.resources().values().find(|r| r.text("/accountEndpoint") == Some(host))?;
        let mut words = interaction.url.path().trim_matches('/').split('/');
        let pool = (words.next() == Some("pools")).then(|| words.next()).flatten()?;
        Some(format!("{}/pools/{pool}", account.id))
    }

    fn ask(&mut self, index: usize, name: &str) -> Judged {
        let session = self.session;
        let interaction = &session[index];
        self.prepare(index);
        let path = interaction.url.path().to_owned();
        let there_before = self.world.resource(&path).is_some() || self.memory.was_shown(&path);
        let request = self.request(interaction);
        if timing::end_of(session, index).is_some() {
            self.world.inject(Fault::always(Match::any(), Action::Operation(OperationFault::NeverEnds)));
        }
        let answer = seed::ask(&mut self.world, &request);
        self.world.clear_faults();
        let setting = Setting {
            retry_after: self.retry_after,
            unknown_request: self.memory.is_plain(&path)
                || interaction.body.is_none() && matches!(interaction.method, Method::Put | Method::Patch)
                || interaction.body.is_none() && batch::default_post(&path, &[]).is_some(),
            poll: false,
        };
        let verdict = if first_sight(interaction, &answer, there_before) {
            Verdict::NotCovered("first sight of a resource that the recording does not make".to_owned())
        } else {
            self.compare(interaction, &answer, setting)
        };
        self.begin(index, name, &answer, setting.unknown_request);
        if setting.unknown_request && matches!(interaction.method, Method::Put | Method::Patch) {
            self.memory.unknown(&path);
        }
        self.learn(interaction, &answer);
        Judged {
            index,
            operation: name.to_owned(),
            verdict,
            answer: Some((answer.status, answer.json_body())),
        }
    }

    fn poll(&mut self, index: usize, url: &Url, operation: &str, unknown_request: bool) -> Judged {
        let interaction = &self.session[index];
        let request = SimRequest::new("GET", url.clone()).header("authorization", "Bearer any");
        let answer = seed::ask(&mut self.world, &request);
        let setting = Setting { retry_after: self.retry_after, poll: true, unknown_request };
        let verdict = self.compare(interaction, &answer, setting);
        self.own(interaction, &answer, operation, unknown_request);
        self.learn(interaction, &answer);
        Judged {
            index,
            operation: format!("operation poll ({operation})"),
            verdict,
            answer: Some((answer.status, answer.json_body())),
        }
    }

    fn prepare(&mut self, index: usize) {
        let interaction = &self.session[index];
        let path = interaction.url.path().to_owned();
        let (world, memory) = (&mut self.world, &mut self.memory);
        memory.be_near(world, interaction);
        let reads = interaction.method.is_read();
        let later = |id: &str| reads && timing::made_later(self.session, index, id);
        let below_provider =
            path.to_lowercase().contains("/providers/") || path.to_lowercase().ends_with("/resources");
        if below_provider {
            if let Some(group) = names::group_of(&path) {
                memory.group(world, &group);
            }
            if let Some(owner) = names::owner(&path).filter(|owner| !later(owner)) {
                memory.ensure(world, owner);
            }
        } else if let Some(group) = names::is_group(&path)
            && interaction.method != Method::Put
            && !later(&path)
        {
            memory.group(world, &group);
        }
        if matches!(interaction.method, Method::Post | Method::Patch | Method::Delete) {
            memory.ensure(world, &path);
        }
        if let Some(host) = interaction.url.host_str().filter(|host| host.ends_with(".batch.azure.com"))
            && let Some(pool) = memory.batch(world, host, interaction)
        {
            aliases::unknown_nodes(world, host, &pool, interaction, &mut self.aliases);
        }
        if let Some(body) = &interaction.body {
            memory.referred(world, body);
        }
        memory.link_storage(world, &path);
        if let (Some(account), Some(body)) = (batch::any_account(world, interaction), &interaction.body) {
            memory.refer_to_packages(world, &account, &path, body);
        }
        if let Some(package) = batch::activated(interaction)
            && batch::left_out(self.session, index, package)
        {
            world.upload_package(package, b"PK");
        }
        if let Some(pool) = self.pool_of(interaction) {
            self.memory.prepare_pool(&mut self.world, &pool, &path);
        }
        let world = &mut self.world;
        if path.to_lowercase().contains("/roleassignments/") && interaction.method == Method::Put {
            let principal = timing::principal(interaction).unwrap_or_else(|| plain::PRINCIPAL.to_owned());
            let known = !timing::asked_again(self.session, index);
            let principal = self.aliases.get(&principal).cloned().unwrap_or(principal);
            world.know_principal(&principal, known);
        }
    }

    fn compare(&self, interaction: &Interaction, answer: &SimResponse, setting: Setting) -> Verdict {
        let listed = interaction.response.body.as_ref().map(compare::ids).unwrap_or_default();
        if interaction.method == Method::Get
            && interaction.response.status == 200
            && !listed.is_empty()
            && answer.status == 200
        {
            let here = compare::ids(&answer.json_body());
            let expected: Vec<String> = listed
                .iter()
                .filter(|id| (here.contains(id) || self.memory.was_shown(id)) && !self.memory.is_plain(id))
                .cloned()
                .collect();
            let of_resources =
                listed.iter().any(|id| names::kind(id).is_some() || names::is_group(id).is_some());
            if of_resources && expected.is_empty() {
                return Verdict::NotCovered(
                    "a list of resources that the recording does not make".to_owned(),
                );
            }
            if of_resources {
                let mut reduced = interaction.clone();
                reduced.response.body =
                    reduced.response.body.as_ref().map(|body| compare::only(body, &expected));
                let mut differences = compare::compare(&reduced, answer, setting);
                let lost = expected.iter().filter(|id| !here.contains(id));
                differences.extend(lost.map(|_| "lacks an item of the list".to_owned()));
                return Verdict::Differs(differences);
            }
        }
        Verdict::Differs(compare::compare(interaction, answer, setting))
    }

    /// Holds the operation that an answer began, and remembers its links.
    fn begin(&mut self, index: usize, operation: &str, answer: &SimResponse, unknown: bool) {
        let interaction = &self.session[index];
        if interaction.method.is_read() {
            return;
        }
        let ours = ["azure-asyncoperation", "location"]
            .into_iter()
            .find_map(|name| compare::link(answer, name, &interaction.url));
        if let (Some(link), Some(until)) = (ours, timing::end_of(self.session, index)) {
            self.held.push(Held { link, until });
        }
        self.own(interaction, answer, operation, unknown);
    }

    fn own(&mut self, interaction: &Interaction, answer: &SimResponse, operation: &str, unknown: bool) {
        for (name, link) in interaction.links() {
            let owner = match compare::link(answer, name, &interaction.url) {
                Some(ours) => Owner::Ours(ours, operation.to_owned(), unknown),
                None => Owner::Not(Verdict::NotCovered(
                    "a poll of an operation that began otherwise here".to_owned(),
                )),
            };
            self.owners.entry(links::key(&link)).or_insert(owner);
        }
    }

    /// The answer is judged: it is state now.
    fn learn(&mut self, interaction: &Interaction, answer: &SimResponse) {
        if interaction.method == Method::Delete && interaction.response.is_success() {
            self.memory.forget(interaction.url.path());
        }
        self.memory.take(&mut self.world, interaction);
        self.alias(interaction, answer);
    }

    /// Names that Azure makes up stand for those that the simulator made up at the same place.
    fn alias(&mut self, interaction: &Interaction, answer: &SimResponse) {
        let Some(theirs) = &interaction.response.body else { return };
        aliases::pair(theirs, &answer.json_body(), "", &mut self.aliases);
        if interaction.url.path().ends_with("/nodes") {
            aliases::items(theirs, &answer.json_body(), &mut self.aliases);
        }
    }
}

/// Whether the recorded answer shows something that nothing before it made or showed: the simulator does not have it.
fn first_sight(interaction: &Interaction, answer: &SimResponse, there_before: bool) -> bool {
    if there_before {
        return false;
    }
    match interaction.method {
        Method::Get | Method::Head => interaction.response.is_success() && answer.status == 404,
        Method::Put => interaction.response.status == 200 && matches!(answer.status, 201 | 202),
        _ => false,
    }
}
