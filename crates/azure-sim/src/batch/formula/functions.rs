//! The predefined functions.

use jiff::Timestamp;

use super::Facts;
use super::value::Value;

/// All doubles of a list, vectors taken apart.
fn flat(arguments: &[Value]) -> Option<Vec<f64>> {
    let mut found = Vec::new();
    for argument in arguments {
        match argument {
            Value::Vector(numbers) => found.extend(numbers),
            other => found.push(other.number()?),
        }
    }
    Some(found)
}

fn each(arguments: &[Value], change: impl Fn(f64) -> f64) -> Option<Value> {
    match arguments {
        [Value::Vector(numbers)] => Some(Value::Vector(numbers.iter().map(|n| change(*n)).collect())),
        [one] => one.number().map(|number| Value::Number(change(number))),
        _ => flat(arguments).map(|all| Value::Vector(all.into_iter().map(change).collect())),
    }
}

#[allow(clippy::cast_precision_loss, reason = "lengths of lists")]
fn length(numbers: &[f64]) -> f64 {
    numbers.len() as f64
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / length(numbers)
}

fn deviation(numbers: &[f64]) -> f64 {
    let middle = mean(numbers);
    let squares: f64 = numbers.iter().map(|n| (n - middle).powi(2)).sum();
    (squares / (length(numbers) - 1.0).max(1.0)).sqrt()
}

/// The element that so many percent of all are not above.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index within the list")]
fn percentile(numbers: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent.clamp(0.0, 100.0) / 100.0 * length(&sorted)).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok())
}

/// Whether there is a function of this name.
pub(super) fn is_known(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "avg",
        "len",
        "lg",
        "ln",
        "log",
        "max",
        "min",
        "norm",
        "percentile",
        "rand",
        "range",
        "round",
        "std",
        "stop",
        "sum",
        "time",
        "val",
        "vec",
    ];
    NAMES.contains(&name)
}

/// What a function gives; `None` when it does not take these arguments.
pub(super) fn call(name: &str, arguments: &[Value], facts: &Facts<'_>) -> Option<Value> {
    match (name, arguments) {
        ("rand", []) => return Some(Value::Number(facts.chance)),
        ("time", []) => return Some(Value::Time(facts.now)),
        ("time", [Value::Text(text)]) if text.is_empty() => return Some(Value::Time(facts.now)),
        ("time", [Value::Text(text)]) => return time(text).map(Value::Time),
        ("lg", _) => return each(arguments, f64::log2),
        ("ln", _) => return each(arguments, f64::ln),
        ("log", _) => return each(arguments, f64::log10),
        ("round", _) => return each(arguments, f64::round),
        ("vec", _) => return flat(arguments).map(Value::Vector),
        ("percentile", [Value::Vector(numbers), percent]) => {
            return percentile(numbers, percent.number()?).map(Value::Number);
        }
        ("val", [Value::Vector(numbers), index]) => {
            let index = index.number().filter(|index| *index >= 0.0)?;
            return numbers.get(super::eval::whole(index) as usize).copied().map(Value::Number);
        }
        _ => {}
    }
    let all = flat(arguments)?;
    let most = all.iter().copied().reduce(f64::max);
    let least = all.iter().copied().reduce(f64::min);
    let number = match name {
        "len" => Some(length(&all)),
        "sum" => Some(all.iter().sum()),
        "max" => most,
        "min" => least,
        "range" => Some(most? - least?),
        "avg" => (!all.is_empty()).then(|| mean(&all)),
        "std" => (!all.is_empty()).then(|| deviation(&all)),
        "norm" => Some(all.iter().map(|n| n * n).sum::<f64>().sqrt()),
        _ => None,
    };
    number.map(Value::Number)
}
