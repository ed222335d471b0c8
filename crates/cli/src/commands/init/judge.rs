//! The judgement of answers: the file's own rules first, then Azure; and names that pass both, made from the farm's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use flamenco_azure_core::name;
use flamenco_azure_core::spec::SshPublicKey;

use super::azure::{self, Place, Region};
use super::draft::Refusal;
use super::field::Field;
use super::interview::Interview;
use crate::args::InitArgs;
use crate::ask::Asker;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::session::Session;

/// How often a derived name is varied before the user is asked.
const VARIATIONS: u32 = 5;

impl Interview<'_> {
    /// The plain name made from the farm's, or one with a short hash when that is taken.
    pub(super) async fn derive(&mut self, field: Field, kind: name::Kind) -> Outcome<()> {
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

    /// The answer as it will stand in the file, if the file's rules allow it.
    pub(super) fn legal(&self, field: Field, answer: &str) -> Result<String, Refusal> {
        let answer = if field == Field::SshKey { key_text(self.session, answer)? } else { answer.to_owned() };
        self.draft.with(field, &answer).map(|_| answer)
    }

    /// The answer as it will stand in the file, if both the file's rules and Azure allow it.
    pub(super) async fn judged(&mut self, field: Field, answer: &str) -> Outcome<Result<String, Refusal>> {
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

    pub(super) async fn regions(&mut self) -> Outcome<&[Region]> {
        let subscription = self.value(Field::Subscription).unwrap_or_default();
        let all = match self.regions.take() {
            Some((of, all)) if of == subscription => all,
            _ => azure::regions(&self.session.client, &subscription).await?,
        };
        Ok(&self.regions.insert((subscription, all)).1)
    }
}

/// The answers given by flags.
pub(super) fn flags(session: &Session, args: &InitArgs) -> Outcome<BTreeMap<Field, String>> {
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
