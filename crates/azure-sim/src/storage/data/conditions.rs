//! If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since ("Specifying conditional headers").

use jiff::Timestamp;

use super::Call;
use super::refusal::{BAD_HEADER, CONDITION, NOT_MODIFIED, Refusal};

fn time(call: &Call, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = call.header(name) else { return Ok(None) };
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    time.map(Some).map_err(|_| BAD_HEADER.into())
}

/// Headers have whole seconds.
fn second(at: Timestamp) -> i64 {
    at.as_second()
}

/// Refuses a write whose conditions do not hold; `there` is the etag and change time of what is there.
pub(super) fn write(call: &Call, there: Option<(&str, Timestamp)>) -> Result<(), Refusal> {
    let since = time(call, "if-modified-since")?;
    let until = time(call, "if-unmodified-since")?;
    let failed = match (call.header("if-match"), call.header("if-none-match"), there) {
        (Some(wanted), _, None) => wanted != "*",
        (Some(wanted), _, Some((etag, _))) => wanted != "*" && wanted != etag,
        // That nothing must be there is the operation's own business: it has a code of its own.
        (None, Some(unwanted), Some((etag, _))) => unwanted == etag,
        (None, Some(_) | None, None) => false,
        (None, None, Some((_, at))) => {
            since.is_some_and(|since| second(at) <= second(since))
                || until.is_some_and(|until| second(at) > second(until))
        }
    };
    if failed { Err(CONDITION.into()) } else { Ok(()) }
}

/// Refuses a read whose conditions do not hold: 304 where the reader has it already.
pub(super) fn read(call: &Call, etag: &str, at: Timestamp) -> Result<(), Refusal> {
    if call.header("if-match").is_some_and(|wanted| wanted != "*" && wanted != etag) {
        return Err(CONDITION.into());
    }
    if time(call, "if-unmodified-since")?.is_some_and(|until| second(at) > second(until)) {
        return Err(CONDITION.into());
    }
    let known = match call.header("if-none-match") {
        Some(known) => known == "*" || known == etag,
        None => time(call, "if-modified-since")?.is_some_and(|since| second(at) <= second(since)),
    };
    if known { Err(NOT_MODIFIED.into()) } else { Ok(()) }
}
