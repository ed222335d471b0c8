//! Autoscale formulas (Microsoft Learn "Create a formula to automatically scale compute nodes in a Batch pool"): the whole
//! language of statements, operators and functions; of the metrics those about tasks and nodes have values.

mod eval;
mod functions;
mod parse;
mod token;
mod value;

use jiff::Timestamp;

use value::Value;

/// The longest formula, characters ("Batch status and error codes").
pub(super) const LONGEST: usize = 8192;

/// Where and why a formula is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// It cannot be read at all, whatever the pool does.
    pub(super) syntax: bool,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) what: String,
}

impl Wrong {
    /// The service's words (recorded: `Line 1, Col 1: Undefined symbol: something_useless`).
    pub(super) fn message(&self) -> String {
        format!("Line {}, Col {}: {}", self.line, self.column, self.what)
    }
}

/// What a formula is evaluated against.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) now: Timestamp,
    /// Samples go back until then.
    pub(super) since: Timestamp,
    /// What `rand()` gives.
    pub(super) chance: f64,
    /// The last value of a metric, by its name without the dollar.
    pub(super) metric: &'a dyn Fn(&str) -> Option<f64>,
    pub(super) targets: &'a Targets,
}

/// What a formula decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Targets {
    pub(super) dedicated: u32,
    pub(super) spot: u32,
    /// `requeue`, `terminate`, `taskcompletion`, `retaineddata`.
    pub(super) option: String,
}

/// The outcome of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) targets: Targets,
    /// `$TargetDedicatedNodes=2;…`, own variables last.
    pub(super) results: String,
}

/// The targets as results are written.
pub(super) fn results(targets: &Targets) -> String {
    format!(
        "$TargetDedicatedNodes={};$TargetLowPriorityNodes={};$NodeDeallocationOption={}",
        targets.dedicated, targets.spot, targets.option
    )
}

/// Reads a formula without evaluating it.
pub(super) fn check(text: &str) -> Result<(), Wrong> {
    parse::parse(text).map(drop)
}

/// Evaluates a formula.
pub(super) fn evaluate(text: &str, facts: &Facts<'_>) -> Result<Outcome, Wrong> {
    let statements = parse::parse(text)?;
    let variables = eval::run(&statements, facts)?;
    let named = |full: &str, alias: &str| {
        let find = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        // The full name takes precedence over its alias.
        find(full).or_else(|| find(alias)).cloned()
    };
    let count = |value: Option<Value>, before: u32| match value {
        Some(Value::Number(number)) => eval::whole(number),
        _ => before,
    };
    let before = facts.targets;
    let targets = Targets {
        dedicated: count(named("$TargetDedicatedNodes", "$TargetDedicated"), before.dedicated),
        spot: count(named("$TargetLowPriorityNodes", "$TargetLowPriority"), before.spot),
        option: match named("$NodeDeallocationOption", "$NodeDeallocationOption") {
            Some(Value::Text(word)) => word,
            _ => "requeue".to_owned(),
        },
    };
    let mut text = results(&targets);
    for (name, value) in variables.iter().filter(|(name, _)| !eval::is_service_defined(name)) {
        text.extend([";", name, "=", &value.to_string()]);
    }
    Ok(Outcome { targets, results: text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<Outcome, String> {
        let now: Timestamp = "2026-11-21T18:30:00Z".parse().unwrap();
        let targets = Targets { dedicated: 2, spot: 0, option: "requeue".to_owned() };
        let metric = |name: &str| match name {
            "PendingTasks" => Some(7.0),
            "CurrentDedicatedNodes" => Some(3.0),
            "PreemptedNodeCount" | "CurrentLowPriorityNodes" => Some(0.0),
            _ => None,
        };
        let since = now - jiff::SignedDuration::from_secs(120);
        let facts = Facts { now, since, chance: 0.25, metric: &metric, targets: &targets };
        evaluate(text, &facts).map_err(|wrong| wrong.message())
    }

    fn dedicated(text: &str) -> u32 {
        run(&format!("$TargetDedicatedNodes = {text};")).unwrap().targets.dedicated
    }

    #[test]
    fn results_are_worded_as_recorded() {
        assert_eq!(
            run("$TargetDedicatedNodes=0").unwrap().results,
            "$TargetDedicatedNodes=0;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
        );
        let outcome = run("most = 5; $TargetDedicated=min(100, most);$NodeDeallocationOption=taskcompletion");
        assert_eq!(
            outcome.unwrap().results,
            "$TargetDedicatedNodes=5;$TargetLowPriorityNodes=0;$NodeDeallocationOption=taskcompletion;most=5"
        );
        assert_eq!(
            run("$something_useless").unwrap_err(),
            "Line 1, Col 1: Undefined symbol: something_useless"
        );
    }

    #[test]
    fn microsofts_own_formulas_evaluate() {
        let pending = "startingNumberOfVMs = 1;\nmaxNumberofVMs = 25; // a comment\npendingTaskSamplePercent = $PendingTasks.GetSamplePercent(180 * TimeInterval_Second);\npendingTaskSamples = pendingTaskSamplePercent < 70 ? startingNumberOfVMs : avg($PendingTasks.GetSample(180 * TimeInterval_Second));\n$TargetDedicatedNodes=min(maxNumberofVMs, pendingTaskSamples);\n$NodeDeallocationOption = taskcompletion;";
        // Two of three minutes have samples: too few, so the number to start with.
        assert_eq!(run(pending).unwrap().targets.dedicated, 1);
        assert_eq!(run(&pending.replace("70", "60")).unwrap().targets.dedicated, 7);
        let preempted = "maxNumberofVMs = 25;\n$TargetDedicatedNodes = min(maxNumberofVMs, $PreemptedNodeCount.GetSample(180 * TimeInterval_Second));\n$TargetLowPriorityNodes = min(maxNumberofVMs , maxNumberofVMs - $TargetDedicatedNodes);";
        let outcome = run(preempted).unwrap();
        assert_eq!((outcome.targets.dedicated, outcome.targets.spot), (0, 25));
        let hours = "$curTime = time();\n$workHours = $curTime.hour >= 8 && $curTime.hour < 18;\n$isWeekday = $curTime.weekday >= 1 && $curTime.weekday <= 5;\n$isWorkingWeekdayHour = $workHours && $isWeekday;\n$TargetDedicatedNodes = $isWorkingWeekdayHour ? 20:10;";
        assert_eq!(run(hours).unwrap().targets.dedicated, 10, "a Saturday");
    }

    #[test]
    fn operators_and_functions_are_those_of_the_language() {
        for (text, wanted) in [
            ("1 + 2 * 3", 7),
            ("(1 + 2) * 3", 9),
            ("10 / 4", 2),
            ("-1 + 3", 2),
            ("!0 + !5", 1),
            ("1 < 2 && 2 >= 2 || 0", 1),
            ("1 == 2 ? 4 : 1 != 2 ? 5 : 6", 5),
            ("max(1, $PendingTasks.GetSample(2), 3)", 7),
            ("len($PendingTasks.GetSample(TimeInterval_Minute * 10))", 4),
            ("sum(vec(1,2), 3)", 6),
            ("percentile(vec(1,2,3,4,5,6,7,8,9,10), 90)", 9),
            ("val(vec(4,5), 1)", 5),
            ("range(3, 8, 4)", 5),
            ("lg(8) + log(100) + ln(1)", 5),
            ("$CurrentDedicatedNodes * 2", 6),
            ("time(\"2026-11-21T18:00:00Z\") < time() ? 3 : 4", 3),
            ("(time() - time(\"2026-11-21T18:00:00Z\")) == 30 * TimeInterval_Minute ? 3 : 4", 3),
            ("rand() < 0.5", 1),
            ("-3", 0),
        ] {
            assert_eq!(dedicated(text), wanted, "{text}");
        }
        assert_eq!(
            run("$TargetDedicatedNodes = 4; stop(); $TargetDedicatedNodes = 9").unwrap().targets.dedicated,
            4
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, syntax, place) in [
            ("$TargetDedicatedNodes = ", true, "Line 1, Col 25"),
            ("a = 1;\n b = (2", true, "Line 2, Col 8"),
            ("a = 1 2", true, "Line 1, Col 7"),
            ("a = #", true, "Line 1, Col 5"),
            ("a = \"x", true, "Line 1, Col 5"),
            ("a = 1;\n  b = foo(1)", false, "Line 2, Col 7"),
            ("a = b", false, "Line 1, Col 5"),
            ("a = $PendingTasks.Count2()", false, "Line 1, Col 18"),
            ("a = time() * 2", false, "Line 1, Col 12"),
            ("$PendingTasks = 2", false, "Line 1, Col 1"),
            ("$TargetDedicatedNodes = time()", false, "Line 1, Col 1"),
            ("$NodeDeallocationOption = sometimes", false, "Line 1, Col 27"),
            ("a = avg($PendingTasks.GetSample(TimeInterval_Hour, 70))", false, "Line 1, Col 22"),
            ("a = 1 / 0; b = 1", false, "Line 1, Col 7"),
        ] {
            let now: Timestamp = "2026-11-21T18:30:00Z".parse().unwrap();
            let targets = Targets { dedicated: 2, spot: 0, option: "requeue".to_owned() };
            let facts = Facts { now, since: now, chance: 0.0, metric: &|_| Some(0.0), targets: &targets };
            let wrong = evaluate(text, &facts).unwrap_err();
            assert_eq!(
                (wrong.syntax, wrong.message().split(": ").next().unwrap()),
                (syntax, place),
                "{text}"
            );
            assert_eq!(check(text).is_err(), syntax, "{text}");
        }
    }
}
