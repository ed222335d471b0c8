//! Statements at work.

use jiff::tz::TimeZone;

use super::parse::{Expression, Placed, Statement};
use super::token::Place;
use super::value::{Value, binary, unary};
use super::{Facts, Wrong, functions};

/// A sample is half a minute of metrics.
const SAMPLE_S: f64 = 30.0;

/// Variables that a formula sets for the service, full names and aliases.
const TARGETS: &[&str] =
    &["$TargetDedicatedNodes", "$TargetDedicated", "$TargetLowPriorityNodes", "$TargetLowPriority"];
const OPTION: &str = "$NodeDeallocationOption";

/// What nodes do with their tasks when they go.
const OPTIONS: &[&str] = &["requeue", "terminate", "taskcompletion", "retaineddata"];

/// Intervals by name, seconds.
const INTERVALS: &[(&str, f64)] = &[
    ("TimeInterval_Zero", 0.0),
    ("TimeInterval_100ns", 1e-7),
    ("TimeInterval_Microsecond", 1e-6),
    ("TimeInterval_Millisecond", 1e-3),
    ("TimeInterval_Second", 1.0),
    ("TimeInterval_Minute", 60.0),
    ("TimeInterval_Hour", 3600.0),
    ("TimeInterval_Day", 86_400.0),
    ("TimeInterval_Week", 604_800.0),
    ("TimeInterval_Year", 31_536_000.0),
];

/// Metrics whose value does not come from outside.
const METRICS: &[&str] = &[
    "CPUPercent",
    "WallClockSeconds",
    "MemoryBytes",
    "DiskBytes",
    "DiskReadBytes",
    "DiskWriteBytes",
    "DiskReadOps",
    "DiskWriteOps",
    "NetworkInBytes",
    "NetworkOutBytes",
];

type Variables = Vec<(String, Value)>;

pub(super) fn is_service_defined(name: &str) -> bool {
    TARGETS.contains(&name) || name == OPTION
}

/// Nodes: the whole part, none below zero.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped, and saturating")]
pub(super) fn whole(number: f64) -> u32 {
    number.max(0.0) as u32
}

fn wrong((line, column): Place, what: impl Into<String>) -> Wrong {
    Wrong { syntax: false, line, column, what: what.into() }
}

/// The variables that the statements set, in the order of their first setting.
pub(super) fn run(statements: &[Statement], facts: &Facts<'_>) -> Result<Variables, Wrong> {
    let mut variables = Variables::new();
    for statement in statements {
        if matches!(&statement.value.0, Expression::Call(name, _) if name == "stop") {
            break;
        }
        let value = Scope { variables: &variables, facts }.value(&statement.value)?;
        let Some(name) = &statement.name else { continue };
        if is_metric(name, facts) {
            return Err(wrong(statement.place, format!("Read-only variable: {}", plain(name))));
        }
        if TARGETS.contains(&name.as_str()) && value.number().is_none() {
            return Err(wrong(statement.place, format!("Type mismatch: {} is not a double", value.kind())));
        }
        let value = match value {
            Value::Metric(_, number) if TARGETS.contains(&name.as_str()) => Value::Number(number),
            other => other,
        };
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => variables.push((name.clone(), value)),
        }
    }
    Ok(variables)
}

fn plain(name: &str) -> &str {
    name.trim_start_matches('$')
}

fn is_metric(name: &str, facts: &Facts<'_>) -> bool {
    let Some(metric) = name.strip_prefix('$') else { return false };
    !is_service_defined(name) && (METRICS.contains(&metric) || (facts.metric)(metric).is_some())
}

struct Scope<'a> {
    variables: &'a Variables,
    facts: &'a Facts<'a>,
}

impl Scope<'_> {
    fn value(&self, (expression, place): &Placed) -> Result<Value, Wrong> {
        match expression {
            Expression::Number(number) => Ok(Value::Number(*number)),
            Expression::Text(text) => Ok(Value::Text(text.clone())),
            Expression::Name(name) => self.named(name, *place),
            Expression::Unary(operator, a) => {
                let a = self.value(a)?;
                unary(operator, &a)
                    .ok_or_else(|| wrong(*place, format!("No operation: {operator}{}", a.kind())))
            }
            Expression::Binary(operator, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                if *operator == "/" && b.number() == Some(0.0) {
                    return Err(wrong(*place, "Division by zero"));
                }
                let none = || wrong(*place, format!("No operation: {} {operator} {}", a.kind(), b.kind()));
                binary(operator, &a, &b).ok_or_else(none)
            }
            Expression::Choice(test, yes, no) => {
                let test = self.value(test)?;
                let test = test.number().ok_or_else(|| wrong(*place, "The condition is not a double"))?;
                self.value(if test == 0.0 { no } else { yes })
            }
            Expression::Call(name, arguments) => {
                if !functions::is_known(name) {
                    return Err(wrong(*place, format!("Undefined function: {name}")));
                }
                let arguments = self.all(arguments)?;
                functions::call(name, &arguments, self.facts)
                    .ok_or_else(|| wrong(*place, format!("Invalid arguments of the function: {name}")))
            }
            Expression::Method(object, name, arguments) => {
                let object = self.value(object)?;
                let arguments = self.all(arguments)?;
                self.method(&object, name, &arguments, *place)
            }
            Expression::Member(object, name) => {
                let object = self.value(object)?;
                member(&object, name).ok_or_else(|| wrong(*place, format!("Undefined member: {name}")))
            }
        }
    }

    fn all(&self, expressions: &[Placed]) -> Result<Vec<Value>, Wrong> {
        expressions.iter().map(|expression| self.value(expression)).collect()
    }

    fn named(&self, name: &str, place: Place) -> Result<Value, Wrong> {
        if let Some((_, value)) = self.variables.iter().find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        let targets = self.facts.targets;
        match name {
            "$TargetDedicatedNodes" | "$TargetDedicated" => {
                return Ok(Value::Number(targets.dedicated.into()));
            }
            "$TargetLowPriorityNodes" | "$TargetLowPriority" => {
                return Ok(Value::Number(targets.spot.into()));
            }
            OPTION => return Ok(Value::Text(targets.option.clone())),
            _ => {}
        }
        if let Some((_, seconds)) = INTERVALS.iter().find(|(known, _)| *known == name) {
            return Ok(Value::Interval(*seconds));
        }
        if OPTIONS.contains(&name) {
            return Ok(Value::Text(name.to_owned()));
        }
        if is_metric(name, self.facts) {
            let metric = plain(name);
            let last = (self.facts.metric)(metric).unwrap_or(0.0);
            return Ok(Value::Metric(metric.to_owned(), last));
        }
        Err(wrong(place, format!("Undefined symbol: {}", plain(name))))
    }

    fn method(&self, object: &Value, name: &str, arguments: &[Value], place: Place) -> Result<Value, Wrong> {
        let odd = || wrong(place, format!("Undefined method: {name}"));
        let Value::Metric(_, last) = object else { return Err(odd()) };
        let history = self.facts.now.duration_since(self.facts.since).as_secs_f64().max(0.0);
        match name {
            "GetSamplePeriod" => Ok(Value::Interval(SAMPLE_S)),
            "Count" => Ok(Value::Number((history / SAMPLE_S).floor())),
            "HistoryBeginTime" => Ok(Value::Time(self.facts.since)),
            "GetSample" | "GetSamplePercent" => {
                let (samples, percent) = self
                    .window(arguments, history)
                    .ok_or_else(|| wrong(place, format!("Invalid arguments of the method: {name}")))?;
                if name == "GetSamplePercent" {
                    return Ok(Value::Number(percent));
                }
                let wanted = arguments.get(1..).and_then(|rest| rest.last()).and_then(Value::number);
                if wanted.is_some_and(|wanted| percent < wanted) {
                    return Err(wrong(place, "Insufficient sample data"));
                }
                Ok(Value::Vector(vec![*last; samples]))
            }
            _ => Err(odd()),
        }
    }

    /// How many samples there are in what is asked for, and how much of it they cover, percent.
    fn window(&self, arguments: &[Value], history: f64) -> Option<(usize, f64)> {
        let back = |value: &Value| match value {
            Value::Interval(seconds) => Some(*seconds),
            Value::Time(at) => Some(self.facts.now.duration_since(*at).as_secs_f64()),
            _ => None,
        };
        let (from, to) = match arguments {
            [count] | [count, _] if count.number().is_some() => (count.number()? * SAMPLE_S, 0.0),
            [start] => (back(start)?, 0.0),
            [start, end, ..] => (back(start)?, back(end).or_else(|| end.number().map(|_| 0.0))?),
            [] => return None,
        };
        let wanted = ((from - to) / SAMPLE_S).floor();
        let there = ((from.min(history) - to) / SAMPLE_S).floor().max(0.0);
        let percent = if wanted > 0.0 { there / wanted * 100.0 } else { 100.0 };
        Some((whole(there) as usize, percent))
    }
}

/// Members of a timestamp, in UTC; Sunday is weekday 0.
fn member(object: &Value, name: &str) -> Option<Value> {
    let Value::Time(at) = object else { return None };
    let at = at.to_zoned(TimeZone::UTC);
    let number = match name {
        "year" => f64::from(at.year()),
        "month" => f64::from(at.month()),
        "day" => f64::from(at.day()),
        "weekday" => f64::from(at.weekday().to_sunday_zero_offset()),
        "hour" => f64::from(at.hour()),
        "minute" => f64::from(at.minute()),
        "second" => f64::from(at.second()),
        _ => return None,
    };
    Some(Value::Number(number))
}
