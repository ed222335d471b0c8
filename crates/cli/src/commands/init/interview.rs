//! The interview: which questions are open, in which order, and what their answers entail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use flamenco_azure_core::name;
use flamenco_azure_core::spec::SshPublicKey;

use super::azure::{self, Place, Region, Subscription};
use super::draft::{Draft, Refusal};
use super::field::{Field, NOBODY, ROWS};
use super::summary::{self, Known, Line};
use crate::args::InitArgs;
use crate::ask::{Asker, Choice, Question, Reply, stopped};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::session::Session;

/// How often a derived name is varied before the user is asked.
const VARIATIONS: u32 = 5;

/// What is suggested to someone who has no name in mind.
const FARM_NAME: &str = "flamenco";

/// The state of the questions.
pub(super) struct Interview<'a> {
    session: &'a Session,
    all: bool,
    draft: Draft,
    /// Answers by flag, not used yet.
    flags: BTreeMap<Field, String>,
    /// Values of the file that must be judged again, with what is already known to be wrong.
    doubts: BTreeMap<Field, Option<String>>,
    /// Fields asked in this run: `--all` asks each once.
    asked: BTreeSet<Field>,
    subscriptions: Vec<Subscription>,
    /// Regions of the subscription named first.
    regions: Option<(String, Vec<Region>)>,
    known: Known,
}

impl<'a> Interview<'a> {
    /// Looks at the file, the flags, this machine and the sign-in.
    pub(super) async fn begin(session: &'a Session, args: &InitArgs, draft: Draft) -> Outcome<Self> {
        let doubts = draft
            .faults()?
            .into_iter()
            .map(|(field, f)| (field, Some(format!("{f}; {}", f.remedy))))
            .collect();
        let flags = flags(session, args)?;
        let subscriptions = azure::subscriptions(&session.client).await?;
        if subscriptions.is_empty() {
            return Err(Failure::user("this sign-in sees no subscription")
                .hint("ask for the role Contributor on one, or sign in elsewhere: `az login --tenant …`"));
        }
        let known =
            Known { key_found: session.environment.ssh_key().map(|(_, place)| place), ..Known::default() };
        Ok(Self {
            session,
            all: args.all,
            draft,
            flags,
            doubts,
            asked: BTreeSet::new(),
            subscriptions,
            regions: None,
            known,
        })
    }

    /// Settles every field, in order.
    pub(super) async fn complete(&mut self) -> Outcome<()> {
        if self.session.ask == Asker::Nobody {
            self.nothing_missing()?;
        }
        for row in ROWS {
            if row.field.applies(&self.draft.spec) {
                self.settle(row.field).await?;
            }
        }
        Ok(())
    }

    /// Shows the summary until it is accepted; a line that is chosen is asked again.
    pub(super) async fn review(&mut self) -> Outcome<()> {
        loop {
            let lines = self.lines();
            let accept = Choice {
                label: "Accept".to_owned(),
                names: ["yes", "y", "accept"].map(str::to_owned).to_vec(),
            };
            let choices: Vec<Choice> = std::iter::once(accept)
                .chain(lines.iter().map(|line| {
                    let names = vec![line.field.row().key.to_owned(), line.field.row().title.to_owned()];
                    Choice { label: line.text.clone(), names }
                }))
                .collect();
            let help = "Enter on a line changes it; Enter on Accept ends";
            let question = Question { title: "Accept, or change a line", help, default: None };
            let field = match self.session.ask.choose(question, &choices, Some(0)).await? {
                Reply::Answer(0) => return Ok(()),
                Reply::Answer(index) => lines[index - 1].field,
                Reply::Back => return Err(stopped()),
            };
            if self.ask(field, None, true).await? {
                self.entailed(field);
                self.complete().await?;
            }
        }
    }

    /// The lines of the summary.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut known = self.known.clone();
        let id = self.value(Field::Subscription);
        let subscription =
            id.and_then(|id| self.subscriptions.iter().find(|s| s.id.eq_ignore_ascii_case(&id)));
        known.subscription = subscription.map(|s| s.name.clone());
        let name = self.value(Field::Location).unwrap_or_default();
        let region = self.regions.as_ref().and_then(|(_, all)| azure::find_region(all, &name).ok());
        known.region = region.map(|region| region.display.clone());
        summary::lines(&self.draft, &known)
    }

    /// Saves what was derived and accepted.
    pub(super) fn finish(mut self) -> Outcome<Draft> {
        for (field, name) in std::mem::take(&mut self.known.derived) {
            self.draft.save(field, &name)?;
        }
        Ok(self.draft)
    }

    fn value(&self, field: Field) -> Option<String> {
        self.draft.value(field).or_else(|| self.known.derived.get(&field).cloned())
    }

    /// Keys without an answer, a default or someone to ask: one error for all.
    fn nothing_missing(&self) -> Outcome<()> {
        let open = |field: Field| self.value(field).is_none() && !self.flags.contains_key(&field);
        let names = [Field::Group, Field::Vm, Field::Storage, Field::Batch];
        let needed = |field: &Field| match field {
            Field::Subscription => self.subscriptions.len() > 1,
            // The Manager's name is the farm's where nothing else says so.
            Field::Name => names.iter().any(|name| name.applies(&self.draft.spec) && open(*name)),
            _ => true,
        };
        let missing: Vec<_> = [Field::Subscription, Field::Location, Field::Name]
            .into_iter()
            .filter(|f| open(*f))
            .filter(needed)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let list = |part: fn(Field) -> &'static str, gap| {
            missing.iter().map(|f| part(*f)).collect::<Vec<_>>().join(gap)
        };
        Err(Failure::user(format!("{}: missing: {}", self.draft.name, list(|f| f.row().key, ", "))).hint(
            format!(
                "write them into the file, or give {}, or run `flamenco-azure init` without --no-input",
                list(|f| f.row().flag, " ")
            ),
        ))
    }

    /// Brings one field to a value that is legal and possible.
    async fn settle(&mut self, field: Field) -> Outcome<()> {
        if let Some(answer) = self.flags.remove(&field) {
            let flag = field.row().flag;
            return match self.judged(field, &answer).await? {
                Ok(answer) => self.take(field, &answer),
                Err(refusal) => Err(Failure::user(format!("{flag}: {}", refusal.why)).hint(refusal.remedy)),
            };
        }
        let Some(value) = self.draft.value(field) else {
            return self.fill(field).await;
        };
        let mut doubt = self.doubts.remove(&field);
        if matches!(field, Field::Subscription | Field::Location) && doubt.is_none() {
            doubt = Some(None);
        }
        let wrong = match doubt {
            Some(Some(words)) => Some(words),
            Some(None) => match self.judged(field, &value).await? {
                Err(refusal) => Some(refusal.line()),
                Ok(same) if same == value => None,
                Ok(plain) => {
                    self.take(field, &plain)?;
                    None
                }
            },
            None => None,
        };
        match wrong {
            Some(words) if self.session.ask == Asker::Nobody => {
                Err(Failure::user(format!("{}: `{}`: {words}", self.draft.name, field.row().key)))
            }
            Some(words) => self.ask(field, Some(words), false).await.map(drop),
            None if self.all && !self.asked.contains(&field) => self.ask(field, None, false).await.map(drop),
            None => Ok(()),
        }
    }

    /// A field of which the file says nothing: derived, defaulted or asked.
    async fn fill(&mut self, field: Field) -> Outcome<()> {
        if let Some(kind) = field.derived_as() {
            self.derive(field, kind).await?;
        }
        let can_ask = self.session.ask != Asker::Nobody;
        let every = self.all && can_ask && !self.asked.contains(&field);
        match field {
            Field::Subscription if self.subscriptions.len() == 1 && !every => {
                let only = self.subscriptions[0].clone();
                self.session.printer.info(format!("Subscription: {} ({}), the only one", only.name, only.id));
                match self.judged(field, &only.id).await? {
                    Ok(id) => self.take(field, &id),
                    Err(refusal) => Err(Failure::user(refusal.why).hint(refusal.remedy)),
                }
            }
            // An old file without it: the Manager's name is the farm's.
            Field::Name if !can_ask => {
                let vm = self.value(Field::Vm).unwrap_or_default();
                self.take(field, &name::suggest(name::Kind::Farm, &vm))
            }
            Field::Ssh | Field::Web if !can_ask => self.take(field, NOBODY),
            Field::SshKey if can_ask && self.known.key_found.is_none() && !self.asked.contains(&field) => {
                self.ask(field, None, false).await.map(drop)
            }
            Field::Subscription | Field::Location | Field::Name | Field::Ssh | Field::Web => {
                self.ask(field, None, false).await.map(drop)
            }
            Field::Group | Field::Vm | Field::Storage | Field::Batch
                if !self.known.derived.contains_key(&field) =>
            {
                self.ask(field, None, false).await.map(drop)
            }
            _ if every => self.ask(field, None, false).await.map(drop),
            _ => Ok(()),
        }
    }

    /// The plain name made from the farm's, or one with a short hash when that is taken.
    async fn derive(&mut self, field: Field, kind: name::Kind) -> Outcome<()> {
        if self.known.derived.contains_key(&field) {
            return Ok(());
        }
        self.known.notes.remove(&field);
        let base = self.value(Field::Name).unwrap_or_default();
        let plain = name::suggest(kind, &base);
        let Some(mut why) = self.obstacle(field, &plain).await? else {
            self.known.derived.insert(field, plain);
            return Ok(());
        };
        let salt = format!("{}/{base}", self.value(Field::Subscription).unwrap_or_default());
        for round in 0..VARIATIONS {
            let name = name::suggest_unique(kind, &base, &format!("{salt}/{round}"));
            match self.obstacle(field, &name).await? {
                None => {
                    self.known.notes.insert(field, format!("`{plain}` is taken"));
                    self.known.derived.insert(field, name);
                    return Ok(());
                }
                Some(still) => why = still,
            }
        }
        if self.session.ask == Asker::Nobody {
            return Err(Failure::user(why).hint(format!("give another name with {}", field.row().flag)));
        }
        Ok(())
    }

    /// Asks until the answer is good, and saves it; false when the person went back to the summary.
    async fn ask(&mut self, field: Field, wrong: Option<String>, may_go_back: bool) -> Outcome<bool> {
        self.asked.insert(field);
        let mut wrong = wrong;
        let mut default = self.default(field);
        loop {
            if let Some(words) = wrong.take() {
                self.session.printer.warn(words);
            }
            let reply = match field {
                Field::Subscription => {
                    self.choose(field, &azure::subscription_choices(&self.subscriptions)).await?
                }
                Field::Location => {
                    let choices = azure::region_choices(self.regions().await?);
                    self.choose(field, &choices).await?
                }
                _ => self.write(field, &default).await?,
            };
            let answer = match reply {
                Reply::Answer(answer) => answer,
                Reply::Back if may_go_back => return Ok(false),
                Reply::Back => return Err(stopped()),
            };
            if field == Field::SshKey && answer.is_empty() {
                return Ok(true);
            }
            match self.judged(field, &answer).await? {
                Ok(answer) => {
                    self.take(field, &answer)?;
                    return Ok(true);
                }
                Err(refusal) => {
                    if let Some(kind) = field.derived_as() {
                        let salt = self.value(Field::Subscription).unwrap_or_default();
                        default = name::suggest_unique(kind, &answer, &salt);
                    }
                    wrong = Some(refusal.line());
                }
            }
        }
    }

    async fn choose(&self, field: Field, choices: &[Choice]) -> Outcome<Reply<String>> {
        let row = field.row();
        let current = self.value(field);
        let start = choices
            .iter()
            .position(|c| current.as_ref().is_some_and(|now| c.names[0].eq_ignore_ascii_case(now)));
        let question = Question { title: row.title, help: row.help, default: None };
        Ok(match self.session.ask.choose(question, choices, start).await? {
            Reply::Answer(index) => Reply::Answer(choices[index].names[0].clone()),
            Reply::Back => Reply::Back,
        })
    }

    async fn write(&self, field: Field, default: &str) -> Outcome<Reply<String>> {
        let row = field.row();
        let judge = |answer: &str| match field {
            Field::SshKey if answer.is_empty() => Ok(()),
            _ if answer.is_empty() && !matches!(field, Field::Ssh | Field::Web) => {
                Err("an answer is needed".to_owned())
            }
            _ => self.legal(field, answer).map(drop).map_err(|refusal| refusal.line()),
        };
        let question = Question { title: row.title, help: row.help, default: Some(default) };
        self.session.ask.checked(question, &judge).await
    }

    fn default(&self, field: Field) -> String {
        let shown = || {
            self.lines()
                .into_iter()
                .find(|line| line.field == field)
                .map(|line| line.value)
                .unwrap_or_default()
        };
        match field {
            Field::SshKey => String::new(),
            Field::Name => self.value(field).unwrap_or_else(|| {
                self.value(Field::Vm).map_or(FARM_NAME.to_owned(), |vm| name::suggest(name::Kind::Farm, &vm))
            }),
            _ => self.value(field).unwrap_or_else(shown),
        }
    }

    /// The answer as it will stand in the file, if the file's rules allow it.
    fn legal(&self, field: Field, answer: &str) -> Result<String, Refusal> {
        let answer = if field == Field::SshKey { key_text(self.session, answer)? } else { answer.to_owned() };
        self.draft.with(field, &answer).map(|_| answer)
    }

    /// The answer as it will stand in the file, if both the file's rules and Azure allow it.
    async fn judged(&mut self, field: Field, answer: &str) -> Outcome<Result<String, Refusal>> {
        let answer = match field {
            Field::Subscription => {
                azure::find_subscription(&self.subscriptions, answer).map(|found| found.id.clone())
            }
            Field::Location => {
                azure::find_region(self.regions().await?, answer).map(|found| found.name.clone())
            }
            _ => Ok(answer.to_owned()),
        };
        let answer = match answer.and_then(|answer| self.legal(field, &answer)) {
            Ok(answer) => answer,
            Err(refusal) => return Ok(Err(refusal)),
        };
        Ok(match self.obstacle(field, &answer).await? {
            None => Ok(answer),
            Some(why) => Err(Refusal::new(why, "choose another one")),
        })
    }

    async fn obstacle(&self, field: Field, name: &str) -> Outcome<Option<String>> {
        let (Some(subscription), Some(location)) =
            (self.value(Field::Subscription), self.value(Field::Location))
        else {
            return Ok(None);
        };
        let (Ok(subscription), Ok(location)) = (subscription.parse(), location.parse()) else {
            return Ok(None);
        };
        let place = Place { subscription, location, group: self.value(Field::Group).unwrap_or_default() };
        Ok(azure::obstacle(&self.session.client, &place, field, name).await?)
    }

    async fn regions(&mut self) -> Outcome<&[Region]> {
        let subscription = self.value(Field::Subscription).unwrap_or_default();
        let all = match self.regions.take() {
            Some((of, all)) if of == subscription => all,
            _ => azure::regions(&self.session.client, &subscription).await?,
        };
        Ok(&self.regions.insert((subscription, all)).1)
    }

    fn take(&mut self, field: Field, answer: &str) -> Outcome<()> {
        self.known.derived.remove(&field);
        self.known.notes.remove(&field);
        self.draft.save(field, answer)
    }

    /// What a change entails: names made from the farm's are made again, names elsewhere are judged again.
    fn entailed(&mut self, changed: Field) {
        if matches!(changed, Field::Subscription | Field::Location | Field::Name | Field::Group) {
            self.known.derived.clear();
        }
        if matches!(changed, Field::Subscription | Field::Location) {
            self.doubts
                .extend([Field::Group, Field::Vm, Field::Storage, Field::Batch].map(|field| (field, None)));
        }
    }
}

/// The answers given by flags.
fn flags(session: &Session, args: &InitArgs) -> Outcome<BTreeMap<Field, String>> {
    let global = &session.global;
    let ranges = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
    let key = args.ssh_key.as_ref().map(|path| files::read(&session.here.join(path))).transpose()?;
    let all = [
        (Field::Subscription, global.subscription.clone()),
        (Field::Location, global.location.clone()),
        (Field::Name, args.name.clone().or_else(|| global.farm.clone())),
        (Field::Group, global.group.clone()),
        (Field::Vm, global.vm.clone()),
        (Field::Storage, global.sa.clone()),
        (Field::Batch, global.ba.clone()),
        (Field::Ssh, ranges(&args.ssh_from)),
        (Field::Web, ranges(&args.web_from)),
        (Field::SshKey, key),
    ];
    Ok(all.into_iter().filter_map(|(field, answer)| Some((field, answer?.trim().to_owned()))).collect())
}

/// The key that an answer means: itself, or the content of the file it names. A file is read only when its name does
/// not already look like a key, and a private key's text goes no further than the check.
fn key_text(session: &Session, answer: &str) -> Result<String, Refusal> {
    let words = answer.split_whitespace().count();
    let text = if words > 1 || answer.contains("PRIVATE KEY") {
        answer.to_owned()
    } else {
        let path = match (answer.strip_prefix("~/"), session.environment.home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(answer),
        };
        files::read(&session.here.join(path)).map_err(|failure| Refusal::new(failure.message, ""))?
    };
    let key: SshPublicKey = text.parse().map_err(|error: flamenco_azure_core::spec::SshKeyError| {
        Refusal::new(error.to_string(), error.remedy())
    })?;
    Ok(key.to_string())
}
