//! The farm file while it is being asked for: its text, what it says, and each answer saved at once.

use std::path::{Path, PathBuf};

use flamenco_azure_core::name;
use flamenco_azure_core::spec::{FarmSpec, Finding, Overrides, Problem, SpecError, edit, validate};

use super::field::{Field, ROWS};
use crate::failure::{Failure, Outcome};
use crate::{farmfile, files};

/// How a new farm file begins.
const HEADER: &str = "# A Flamenco render farm on Azure, for flamenco-azure. Change it here or with `flamenco-azure init`;\n\
                      # `flamenco-azure plan` shows what a change would do.\n";

/// Why an answer will not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is wrong.
    pub(super) why: String,
    /// What to do; may be empty.
    pub(super) remedy: String,
}

impl Refusal {
    /// A refusal with its remedy.
    pub(super) fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { why: why.into(), remedy: remedy.into() }
    }

    /// Both on one line, for a question that is asked again.
    pub(super) fn line(&self) -> String {
        if self.remedy.is_empty() { self.why.clone() } else { format!("{}; {}", self.why, self.remedy) }
    }
}

/// The farm file as far as it is known.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    path: PathBuf,
    /// The path as shown.
    pub(super) name: String,
    text: String,
    /// What it says.
    pub(super) spec: FarmSpec,
    overrides: Overrides,
}

impl Draft {
    /// Reads the file, if there is one.
    pub(super) fn open(path: PathBuf, here: &Path, overrides: Overrides) -> Outcome<Self> {
        let name = farmfile::shown(here, &path);
        let text = if path.exists() { files::read(&path)? } else { HEADER.to_owned() };
        let spec = FarmSpec::parse(&name, &text).map_err(spec_failure)?;
        Ok(Self { path, name, text, spec, overrides })
    }

    /// Whether there is a file yet.
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// What stands in the file for a field.
    pub(super) fn value(&self, field: Field) -> Option<String> {
        field.read(&self.spec)
    }

    /// The draft with an answer, not yet saved; the refusal when the file would be wrong because of it.
    pub(super) fn with(&self, field: Field, answer: &str) -> Result<Self, Refusal> {
        let plain = |why: String| Refusal::new(why, "");
        // The farm file folds any text to a farm name; what is asked for now can as well be legal.
        if let (Field::Name, Err(error)) = (field, name::check(name::Kind::Farm, answer)) {
            let remedy = format!("for example `{}`", name::suggest(name::Kind::Farm, answer));
            return Err(Refusal::new(error.to_string(), remedy));
        }
        let edits = field.edits(&self.spec, answer).map_err(plain)?;
        let mut draft = self.clone();
        for (path, value) in &edits {
            draft.text = edit::set(&self.name, &draft.text, path, value).map_err(|error| {
                let hint = error.hint().map(|hint| hint.0).unwrap_or_default();
                error
                    .findings()
                    .first()
                    .map_or_else(|| plain(error.to_string()), |f| Refusal::new(f.problem.to_string(), hint))
            })?;
        }
        draft.spec = FarmSpec::parse(&self.name, &draft.text).map_err(|error| plain(error.to_string()))?;
        let before = self.findings();
        let is_new = |finding: &Finding| {
            !before.iter().any(|old| (&old.key, &old.problem) == (&finding.key, &finding.problem))
        };
        // The answer may be wrong beside another one: scale sets are named after farm and pool.
        let touched = |finding: &&Finding| {
            edits.iter().any(|(path, _)| finding.key.starts_with(path.as_str())) || is_new(finding)
        };
        match draft.findings().iter().find(touched) {
            None => Ok(draft),
            Some(finding) => Err(Refusal::new(finding.problem.to_string(), finding.remedy.clone())),
        }
    }

    /// Takes the answer into the file.
    pub(super) fn save(&mut self, field: Field, answer: &str) -> Outcome<()> {
        let draft =
            self.with(field, answer).map_err(|refusal| Failure::user(refusal.why).hint(refusal.remedy))?;
        files::write_private(&self.path, &draft.text)?;
        *self = draft;
        Ok(())
    }

    /// What is wrong with the file as it stands; missing keys are questions, not faults.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let all = validate(&self.spec, &self.overrides)
            .err()
            .map(|error| error.findings().to_vec())
            .unwrap_or_default();
        all.into_iter().filter(|finding| !matches!(finding.problem, Problem::Missing(_))).collect()
    }

    /// The fields whose value in the file will not do. A fault that no question can mend is an error.
    pub(super) fn faults(&self) -> Outcome<Vec<(Field, Finding)>> {
        let mut faults = Vec::new();
        for finding in self.findings() {
            match field_of(&finding.key, &self.spec) {
                Some(field) => faults.push((field, finding)),
                None => return Err(spec_failure(SpecError::one(finding))),
            }
        }
        Ok(faults)
    }
}

/// The field that a key of a finding belongs to.
fn field_of(key: &str, spec: &FarmSpec) -> Option<Field> {
    let key = match key {
        "batch.vmSize" | "pools[0].vmSize" => "pools.vmSize",
        "batch.targetDedicatedNodes" | "pools[0].dedicated" => "pools.dedicated",
        "batch.targetLowPriorityNodes" | "pools[0].spot" | "pools[0].nodes" => "pools.spot",
        "pools[0].kind" => "pools.kind",
        other => other.split('[').next().unwrap_or(other),
    };
    ROWS.iter().find(|row| row.key == key).map(|row| row.field).filter(|field| field.applies(spec))
}

/// The farm file's own error, as every command shows it.
pub(super) fn spec_failure(error: SpecError) -> Failure {
    flamenco_azure_core::Error::from(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Draft {
        let overrides = Overrides { allow_world: false, today: "2026-11-21T00:00:00Z".parse().unwrap() };
        let spec = FarmSpec::parse("f.yaml", text).unwrap();
        Draft { path: "f.yaml".into(), name: "f.yaml".into(), text: text.into(), spec, overrides }
    }

    fn answers(mut draft: Draft, answers: &[(Field, &str)]) -> Draft {
        for (field, answer) in answers {
            draft = draft.with(*field, answer).unwrap();
            assert!(draft.value(*field).is_some(), "{field:?} is not answered in:\n{}", draft.text);
        }
        draft
    }

    #[test]
    fn every_pair_of_access_answers_is_remembered_and_leaves_the_public_address() {
        for ssh in ["nobody", "203.0.113.0/24"] {
            for web in ["nobody", "198.51.100.0/24, 203.0.113.7"] {
                for order in [[(Field::Ssh, ssh), (Field::Web, web)], [(Field::Web, web), (Field::Ssh, ssh)]]
                {
                    let draft = answers(draft(HEADER), &order);
                    assert_eq!(draft.value(Field::Ssh).as_deref(), Some(ssh), "{}", draft.text);
                    assert_eq!(draft.value(Field::Web).as_deref(), Some(web), "{}", draft.text);
                    let access = draft.spec.manager.clone().unwrap().access.unwrap();
                    let no_address =
                        access.ssh.is_some_and(|l| l.is_empty()) && access.web.is_some_and(|l| l.is_empty());
                    assert!(!no_address, "{}", draft.text);
                    // And every change of mind.
                    for again in ["nobody", "192.0.2.0/24"] {
                        let changed = answers(draft.clone(), &[(Field::Web, again)]);
                        assert_eq!(changed.value(Field::Ssh).as_deref(), Some(ssh), "{}", changed.text);
                        assert_eq!(changed.value(Field::Web).as_deref(), Some(again), "{}", changed.text);
                        assert!(changed.text.starts_with(HEADER), "comments stay:\n{}", changed.text);
                    }
                }
            }
        }
    }

    #[test]
    fn an_explicit_no_address_at_all_stays() {
        let before = draft("manager:\n  access: {ssh: [], web: []}\n");
        assert_eq!(before.with(Field::Ssh, "nobody").unwrap().text, before.text);
    }

    #[test]
    fn answers_are_judged_by_the_farm_files_own_rules() {
        let bad = [
            (Field::Storage, "Not Legal"),
            (Field::Name, "-x"),
            (Field::Vm, "9lives"),
            (Field::Ssh, "203.0.113.1/24"),
            (Field::Web, "0.0.0.0/0"),
            (Field::SshKey, "-----BEGIN OPENSSH PRIVATE KEY-----"),
            (Field::ManagerSize, "huge"),
            (Field::NodeSize, "Standard_NC6s_v3"),
            (Field::Dedicated, "many"),
            (Field::Subscription, "mine"),
        ];
        for (field, answer) in bad {
            let refusal =
                draft("location: westeurope\n").with(field, answer).map(|draft| draft.text).unwrap_err();
            assert!(
                !refusal.why.is_empty() && !refusal.why.contains("PRIVATE KEY-"),
                "{field:?}: {}",
                refusal.why
            );
        }
    }

    #[test]
    fn an_old_file_keeps_its_batch_block() {
        let old = "batch:\n  poolID: render # ours\n  vmSize: Standard_D4as_v5\n  targetDedicatedNodes: 1\n  targetLowPriorityNodes: 0\n";
        let draft = answers(draft(old), &[(Field::Spot, "3"), (Field::NodeSize, "Standard_D8as_v5")]);
        assert!(draft.spec.pools.is_none() && draft.text.contains("# ours"), "{}", draft.text);
        assert_eq!(draft.value(Field::Spot).as_deref(), Some("3"));
    }

    #[test]
    fn a_pool_of_scale_sets_is_written_with_its_own_keys() {
        let draft = answers(
            draft(HEADER),
            &[(Field::Kind, "vmss"), (Field::Spot, "7"), (Field::NodeSize, "Standard_D8as_v5")],
        );
        let wanted = "pools: [{name: workers, kind: vmss, vmSize: Standard_D8as_v5, nodes: 7}]\n";
        assert_eq!(draft.text, format!("{HEADER}{wanted}"));
        assert!(!Field::Batch.applies(&draft.spec) && !Field::Dedicated.applies(&draft.spec));
        // And back again.
        let draft = answers(draft, &[(Field::Kind, "batch")]);
        let wanted =
            "pools: [{name: workers, kind: batch, vmSize: Standard_D8as_v5, dedicated: 0, spot: 7}]\n";
        assert_eq!(draft.text, format!("{HEADER}{wanted}"));
        assert_eq!(draft.with(Field::Kind, "batch").unwrap().text, draft.text);
        assert!(draft.with(Field::Kind, "aks").is_err());
    }

    #[test]
    fn the_other_kind_keeps_what_both_have() {
        let file = "pools: [{name: Render_1, image: ubuntu-22.04, dedicated: 2, spot: 3, maxNodes: 40}]\n";
        let changed = answers(draft(file), &[(Field::Kind, "vmss")]);
        let wanted = "pools: [{name: render-1, kind: vmss, image: ubuntu-22.04, nodes: 5, maxNodes: 40}]\n";
        assert_eq!(changed.text, wanted);
        let placed = "pools: [{name: a, kind: vmss, spot: 2, placements: [{vmSize: Standard_D8as_v5}]}]\n";
        assert!(!Field::NodeSize.applies(&draft(placed).spec));
        let more = answers(draft(placed), &[(Field::Spot, "3")]);
        assert_eq!(more.text, placed.replace("spot: 2", "spot: 3"), "the file's own word stays");
        let back = answers(more, &[(Field::Kind, "batch")]);
        assert_eq!(back.value(Field::NodeSize).as_deref(), Some("Standard_D8as_v5"));
    }

    #[test]
    fn a_farm_name_that_scale_sets_cannot_have_is_refused_with_the_kind() {
        let refusal = draft("defaultName: 3d\n").with(Field::Kind, "vmss").map(|d| d.text).unwrap_err();
        assert!(refusal.why.contains("begin with the farm's name"), "{}", refusal.why);
    }

    #[test]
    fn a_new_file_gets_the_whole_pool_with_one_change() {
        let draft = answers(draft(HEADER), &[(Field::Dedicated, "2")]);
        let pools = draft.spec.pools.clone().unwrap();
        assert_eq!((pools.len(), pools[0].dedicated, pools[0].spot), (1, Some(2), Some(0)));
        assert!(pools[0].vm_size.is_some() && pools[0].name.is_some());
    }
}
