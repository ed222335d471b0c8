//! The interview: which questions are open, in which order, and what their answers entail.

use std::collections::{BTreeMap, BTreeSet};

use flamenco_azure_core::name;

use super::azure::{self, Region, Subscription};
use super::draft::Draft;
use super::field::{BATCH, Field, NOBODY, ROWS, VMSS};
use super::judge;
use super::summary::{self, Known, Line};
use crate::args::InitArgs;
use crate::ask::{Asker, Choice, Question, Reply, stopped};
use crate::failure::{Failure, Outcome};
use crate::session::Session;

/// What is suggested to someone who has no name in mind.
const FARM_NAME: &str = "flamenco";

/// The kinds of pool.
fn kind_choices() -> [Choice; 2] {
    let choice = |name: &str, label: &str| Choice { label: label.to_owned(), names: vec![name.to_owned()] };
    [
        choice(BATCH, "batch  Azure Batch: dedicated and Spot nodes"),
        choice(VMSS, "vmss   scale sets: Spot nodes, kept at an exact count"),
    ]
}

/// The state of the questions.
pub(super) struct Interview<'a> {
    pub(super) session: &'a Session,
    all: bool,
    pub(super) draft: Draft,
    /// Answers by flag, not used yet.
    flags: BTreeMap<Field, String>,
    /// Values of the file that must be judged again, with what is already known to be wrong.
    doubts: BTreeMap<Field, Option<String>>,
    /// Fields asked in this run: `--all` asks each once.
    asked: BTreeSet<Field>,
    pub(super) subscriptions: Vec<Subscription>,
    /// Regions of the subscription named first.
    pub(super) regions: Option<(String, Vec<Region>)>,
    pub(super) known: Known,
}

impl<'a> Interview<'a> {
    /// Looks at the file, the flags, this machine and the sign-in.
    pub(super) async fn begin(session: &'a Session, args: &InitArgs, draft: Draft) -> Outcome<Self> {
        let doubts = draft
            .faults()?
            .into_iter()
            .map(|(field, f)| (field, Some(format!("{f}; {}", f.remedy))))
            .collect();
        let flags = judge::flags(session, args)?;
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
            // The Batch account of a pool that has become one of scale sets.
            if field.applies(&self.draft.spec) {
                self.draft.save(field, &name)?;
            }
        }
        Ok(self.draft)
    }

    pub(super) fn value(&self, field: Field) -> Option<String> {
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
                Field::Kind => self.choose(field, &kind_choices()).await?,
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
        let current = self.value(field).or_else(|| (field == Field::Kind).then(|| BATCH.to_owned()));
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
