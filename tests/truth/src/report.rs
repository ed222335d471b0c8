//! What both judges print: one line per operation, totals, the first failures in words, and whether the floors hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::recording::Malformed;

/// How one interaction was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As recorded.
    Passed,
    /// As recorded but for differences that stand in the table of known ones.
    Known,
    /// Not as recorded.
    Failed(Vec<String>),
    /// In scope and not judged, with the reason.
    NotCovered(String),
    /// Neither product nor simulator has it today.
    Next(String),
    /// Not ours.
    OutOfScope(String),
    /// On no list.
    Unknown,
}

/// One operation's count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// As recorded, known differences included.
    pub passed: usize,
    /// Of those, the ones with known differences.
    pub known: usize,
    /// Not as recorded.
    pub failed: usize,
    /// In scope, not judged.
    pub not_covered: usize,
    /// In scope of the next step only.
    pub next: usize,
    /// Not ours.
    pub out_of_scope: usize,
}

/// What must hold. Shares are of interactions, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floors {
    /// Least share of judged interactions that pass.
    pub passed: usize,
    /// Least share of interactions in scope that are judged.
    pub covered: usize,
}

/// The judgement of a whole folder.
#[derive(Debug, Clone)]
pub struct Report {
    /// What is judged: `replay`, `fidelity`, `examples`.
    pub title: &'static str,
    /// Per operation.
    pub operations: BTreeMap<String, Count>,
    /// Reasons of what is not covered or out of scope, with counts.
    pub reasons: BTreeMap<String, usize>,
    /// Failures in words: where, which operation, what differs.
    pub failures: Vec<String>,
    /// Requests on no list.
    pub unknown: Vec<String>,
    /// Files and interactions that could not be read.
    pub malformed: Vec<Malformed>,
    /// Known differences that did not occur.
    pub stale: Vec<String>,
    /// Lines to print beside the table.
    pub notes: Vec<String>,
    /// What must hold.
    pub floors: Floors,
}

impl Report {
    /// An empty report.
    pub fn new(title: &'static str, floors: Floors) -> Self {
        Self {
            title,
            operations: BTreeMap::new(),
            reasons: BTreeMap::new(),
            failures: Vec::new(),
            unknown: Vec::new(),
            malformed: Vec::new(),
            stale: Vec::new(),
            notes: Vec::new(),
            floors,
        }
    }

    /// Counts one interaction; `place` is its file and number.
    pub fn add(&mut self, place: &str, operation: &str, outcome: Outcome) {
        if let Outcome::Unknown = outcome {
            self.unknown.push(format!("{place}: {operation}"));
            return;
        }
        let count = self.operations.entry(operation.to_owned()).or_default();
        match outcome {
            Outcome::Passed => count.passed += 1,
            Outcome::Known => {
                count.passed += 1;
                count.known += 1;
            }
            Outcome::Failed(why) => {
                count.failed += 1;
                self.failures.push(format!("{place}: {operation}\n      {}", why.join("\n      ")));
            }
            Outcome::NotCovered(reason) => {
                count.not_covered += 1;
                *self.reasons.entry(format!("not covered: {reason}")).or_default() += 1;
            }
            Outcome::Next(reason) => {
                count.next += 1;
                *self.reasons.entry(format!("not yet in scope: {reason}")).or_default() += 1;
            }
            Outcome::OutOfScope(reason) => {
                count.out_of_scope += 1;
                *self.reasons.entry(format!("out of scope: {reason}")).or_default() += 1;
            }
            Outcome::Unknown => {}
        }
    }

    /// The sum over all operations.
    pub fn total(&self) -> Count {
        self.operations.values().fold(Count::default(), |sum, count| Count {
            passed: sum.passed + count.passed,
            known: sum.known + count.known,
            failed: sum.failed + count.failed,
            not_covered: sum.not_covered + count.not_covered,
            next: sum.next + count.next,
            out_of_scope: sum.out_of_scope + count.out_of_scope,
        })
    }

    /// What does not hold, in words; empty when all is well.
    pub fn shortfalls(&self) -> Vec<String> {
        let total = self.total();
        let judged = total.passed + total.failed;
        let scope = judged + total.not_covered + self.unknown.len();
        let mut short = Vec::new();
        if judged == 0 && self.malformed.is_empty() {
            short.push("nothing was judged".to_owned());
        }
        if total.passed * 100 < self.floors.passed * judged {
            short.push(format!(
                "{} passed, the floor is {} %",
                percent(total.passed, judged),
                self.floors.passed
            ));
        }
        if judged * 100 < self.floors.covered * scope {
            short.push(format!("{} covered, the floor is {} %", percent(judged, scope), self.floors.covered));
        }
        if !self.unknown.is_empty() {
            short.push(format!("{} requests are unknown operations", self.unknown.len()));
        }
        if !self.malformed.is_empty() {
            short.push(format!("{} files or interactions are malformed", self.malformed.len()));
        }
        short
    }

    /// The table and all that explains it. `most` failures are explained.
    pub fn render(&self, most: usize) -> String {
        let mut out = String::new();
        let judged = |count: &Count| count.passed + count.failed + count.not_covered > 0;
        let wide =
            self.operations.iter().filter(|(_, c)| judged(c)).map(|(n, _)| n.len()).max().unwrap_or(9).max(9);
        let _ = writeln!(
            out,
            "{:<wide$}  {:>7}  {:>7}  {:>6}  {:>11}",
            "operation", "passed", "(known)", "failed", "not covered"
        );
        let mut line = |name: &str, count: &Count| {
            let known = if count.known > 0 { format!("({})", count.known) } else { String::new() };
            let _ = writeln!(
                out,
                "{name:<wide$}  {:>7}  {known:>7}  {:>6}  {:>11}",
                count.passed, count.failed, count.not_covered
            );
        };
        for (name, count) in self.operations.iter().filter(|(_, count)| judged(count)) {
            line(name, count);
        }
        let total = self.total();
        line("total", &total);
        let _ = writeln!(out);
        for (reason, count) in &self.reasons {
            let _ = writeln!(out, "{count:>5}  {reason}");
        }
        self.render_trouble(&mut out, most);
        for note in &self.notes {
            let _ = writeln!(out, "{note}");
        }
        let judged = total.passed + total.failed;
        let scope = judged + total.not_covered + self.unknown.len();
        let _ = writeln!(
            out,
            "{}: {} of {judged} judged interactions passed ({}; {} of them with known differences); {judged} of {scope} in scope covered ({}); {} out of scope",
            self.title,
            total.passed,
            percent(total.passed, judged),
            total.known,
            percent(judged, scope),
            total.out_of_scope
        );
        if total.next > 0 {
            let _ = writeln!(
                out,
                "{} more are of operations that the product does not have yet; counting them, {} would be covered",
                total.next,
                percent(judged, scope + total.next)
            );
        }
        for short in self.shortfalls() {
            let _ = writeln!(out, "BELOW THE FLOOR: {short}");
        }
        out
    }

    fn render_trouble(&self, out: &mut String, most: usize) {
        for (title, lines) in [("unknown operation", &self.unknown), ("failed", &self.failures)] {
            for line in lines.iter().take(most) {
                let _ = writeln!(out, "{title}: {line}");
            }
            if lines.len() > most {
                let _ = writeln!(out, "... and {} more ({title})", lines.len() - most);
            }
        }
        for wrong in &self.malformed {
            let _ = writeln!(out, "malformed: {wrong}");
        }
        for stale in &self.stale {
            let _ = writeln!(out, "stale: the known difference '{stale}' did not occur");
        }
    }
}

/// `12 of 34` as a share with one decimal.
fn percent(part: usize, whole: usize) -> String {
    let tenths = (part * 1000).checked_div(whole).unwrap_or(1000);
    format!("{}.{} %", tenths / 10, tenths % 10)
}
