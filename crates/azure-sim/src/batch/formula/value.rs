//! The types of the language and what operators make of them.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Vector(Vec<f64>),
    Text(String),
    Time(Timestamp),
    /// A time interval, seconds.
    Interval(f64),
    /// A service-defined variable that is read by its methods, with its last value.
    Metric(String, f64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) | Self::Metric(_, number) => write!(f, "{number}"),
            Self::Vector(numbers) => {
                let words: Vec<String> = numbers.iter().map(f64::to_string).collect();
                write!(f, "[{}]", words.join(","))
            }
            Self::Text(text) => f.write_str(text),
            Self::Time(at) => write!(f, "{at}"),
            Self::Interval(seconds) => write!(f, "{}", SignedDuration::from_secs_f64(*seconds)),
        }
    }
}

impl Value {
    /// The word for its type in errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) | Self::Metric(..) => "double",
            Self::Vector(_) => "doubleVec",
            Self::Text(_) => "string",
            Self::Time(_) => "timestamp",
            Self::Interval(_) => "timeinterval",
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) | Self::Metric(_, number) => Some(*number),
            _ => None,
        }
    }
}

fn truth(yes: bool) -> Value {
    Value::Number(f64::from(u8::from(yes)))
}

fn arithmetic(operator: &str, a: f64, b: f64) -> Option<f64> {
    match operator {
        "+" => Some(a + b),
        "-" => Some(a - b),
        "*" => Some(a * b),
        "/" => Some(a / b),
        _ => None,
    }
}

fn compared<T: PartialOrd>(operator: &str, a: &T, b: &T) -> Option<Value> {
    let yes = match operator {
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        ">=" => a >= b,
        "==" => a == b,
        "!=" => a != b,
        _ => return None,
    };
    Some(truth(yes))
}

fn moved(at: Timestamp, seconds: f64) -> Option<Value> {
    at.checked_add(SignedDuration::from_secs_f64(seconds)).ok().map(Value::Time)
}

/// `a operator b`; `None` where the language has no such operation.
pub(super) fn binary(operator: &str, a: &Value, b: &Value) -> Option<Value> {
    use Value::{Interval, Number, Text, Time, Vector};
    if let (Some(a), Some(b)) = (a.number(), b.number()) {
        return match operator {
            "&&" => Some(truth(a != 0.0 && b != 0.0)),
            "||" => Some(truth(a != 0.0 || b != 0.0)),
            _ => arithmetic(operator, a, b).map(Number).or_else(|| compared(operator, &a, &b)),
        };
    }
    match (a, b) {
        (Vector(a), Vector(b)) if a.len() == b.len() => {
            a.iter().zip(b).map(|(a, b)| arithmetic(operator, *a, *b)).collect::<Option<_>>().map(Vector)
        }
        (Vector(a), b) => {
            let b = b.number()?;
            a.iter().map(|a| arithmetic(operator, *a, b)).collect::<Option<_>>().map(Vector)
        }
        (Interval(a), Interval(b)) => match operator {
            "+" | "-" => arithmetic(operator, *a, *b).map(Interval),
            _ => compared(operator, a, b),
        },
        (Interval(a), b) if b.number().is_some() && matches!(operator, "*" | "/") => {
            arithmetic(operator, *a, b.number()?).map(Interval)
        }
        (a, Interval(b)) if a.number().is_some() && operator == "*" => Some(Interval(a.number()? * b)),
        (Interval(seconds), Time(at)) if operator == "+" => moved(*at, *seconds),
        (Time(at), Interval(seconds)) => match operator {
            "+" => moved(*at, *seconds),
            "-" => moved(*at, -seconds),
            _ => None,
        },
        (Time(a), Time(b)) => match operator {
            "-" => Some(Interval(a.duration_since(*b).as_secs_f64())),
            _ => compared(operator, a, b),
        },
        (Text(a), Text(b)) => compared(operator, a, b),
        _ => None,
    }
}

/// `operator a`.
pub(super) fn unary(operator: &str, a: &Value) -> Option<Value> {
    match (operator, a) {
        ("-", Value::Interval(seconds)) => Some(Value::Interval(-seconds)),
        ("-", a) => a.number().map(|number| Value::Number(-number)),
        (_, a) => a.number().map(|number| truth(number == 0.0)),
    }
}
