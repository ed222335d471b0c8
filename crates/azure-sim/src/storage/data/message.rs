//! Messages on a queue ("Operations on messages"): invisible while somebody has them, found by pop receipt.

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};

use super::access::{self, Right};
use super::queue::the_queue;
use super::refusal::{self, BAD_XML, Fixed, NO_MESSAGE, NO_SUCH_METHOD, Refusal, WRONG_RECEIPT};
use super::state::Message;
use super::{Call, http_date, xml};
use crate::wire::SimResponse;
use crate::world::World;

/// The longest text, in bytes ("Put Message").
const LONGEST: usize = 64 * 1024;
/// A message invisible for so long comes back ("Get Messages").
const VISIBILITY_S: i64 = 30;
/// A message lives seven days unless said otherwise; nothing is invisible for longer.
const WEEK_S: i64 = 7 * 24 * 3600;
/// The most that one request gets.
const MOST: i64 = 32;
const TOO_LARGE: Fixed =
    (413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit.");

pub(super) fn handle(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    let id = call.request.segments.get(2).map(String::as_str);
    let peeks = call.query("peekonly").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    match (call.method(), id) {
        ("POST", None) => put(world, call),
        ("GET", None) if peeks => peek(world, call),
        ("GET", None) => get(world, call),
        ("DELETE", None) => clear(world, call),
        ("PUT", Some(id)) => update(world, call, id),
        ("DELETE", Some(id)) => delete(world, call, id),
        _ => Err(NO_SUCH_METHOD.into()),
    }
}

/// How many messages a queue holds, visible or not.
pub(super) fn count(world: &World, queue: &str, now: Timestamp) -> usize {
    let all = world.storage.messages.get(queue);
    all.map_or(0, |all| all.iter().filter(|message| message.expires > now).count())
}

/// The queue's messages, without those that ran out.
fn live<'w>(world: &'w mut World, call: &Call) -> Result<&'w mut Vec<Message>, Refusal> {
    let queue = the_queue(world, call)?.key();
    let all = world.storage.messages.entry(queue).or_default();
    all.retain(|message| message.expires > call.now);
    Ok(all)
}

fn after(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(never())
}

/// When a message with a life of -1 ends: the last moment of the year 9999.
fn never() -> Timestamp {
    Timestamp::new(253_402_207_200, 0).unwrap_or(Timestamp::MAX)
}

fn receipt(world: &mut World) -> String {
    world.storage.sequence += 1;
    // Base64 without the characters that every client would have to encode.
    base64::engine::general_purpose::URL_SAFE.encode(format!("sim{:09}", world.storage.sequence))
}

fn text_of(call: &Call) -> Result<Option<String>, Refusal> {
    if call.wire.body.is_empty() {
        return Ok(None);
    }
    let leaves = xml::leaves(&call.wire.body).ok_or(BAD_XML)?;
    let (_, text) = leaves.into_iter().find(|(name, _)| name == "MessageText").ok_or(BAD_XML)?;
    if text.len() > LONGEST {
        return Err(Refusal::from(TOO_LARGE).with_detail("MaxLimit", &LONGEST.to_string()));
    }
    Ok(Some(text))
}

fn put(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Add)?;
    let text = text_of(call)?.ok_or(BAD_XML)?;
    let hidden = call.number("visibilitytimeout", 0, WEEK_S)?.unwrap_or(0);
    let expires = match call.number("messagettl", i64::MIN, i64::MAX)? {
        None => after(call.now, WEEK_S),
        Some(-1) => never(),
        Some(ttl) if ttl < 1 => return Err(refusal::bad_query("messagettl")),
        Some(ttl) if hidden >= ttl => return Err(refusal::bad_query("visibilitytimeout")),
        Some(ttl) => after(call.now, ttl),
    };
    let message = Message {
        id: world.guid(),
        receipt: receipt(world),
        sequence: world.storage.sequence,
        text,
        inserted: call.now,
        expires,
        visible: after(call.now, hidden),
        dequeued: 0,
    };
    let shown = entry(&message, true, false);
    live(world, call)?.push(message);
    Ok(answer(201, &shown))
}

/// One message as XML: a peek shows no receipt, the answer to a put no text.
fn entry(message: &Message, receipt: bool, text: bool) -> String {
    let mut inner = xml::element("MessageId", &message.id);
    inner += &xml::element("InsertionTime", &http_date(message.inserted));
    inner += &xml::element("ExpirationTime", &http_date(message.expires));
    if receipt {
        inner += &xml::element("PopReceipt", &message.receipt);
        inner += &xml::element("TimeNextVisible", &http_date(message.visible));
    }
    if text {
        inner += &xml::element("DequeueCount", &message.dequeued.to_string());
        inner += &xml::element("MessageText", &message.text);
    }
    format!("<QueueMessage>{inner}</QueueMessage>")
}

fn answer(status: u16, entries: &str) -> SimResponse {
    let mut response = SimResponse::empty(status).with_header("content-type", "application/xml");
    response.body = if entries.is_empty() {
        xml::document("<QueueMessagesList />")
    } else {
        xml::document(&format!("<QueueMessagesList>{entries}</QueueMessagesList>"))
    };
    response
}

/// The visible messages that come next, as indices.
fn next(messages: &[Message], now: Timestamp, most: usize) -> Vec<usize> {
    let mut visible: Vec<usize> = (0..messages.len()).filter(|i| messages[*i].visible <= now).collect();
    visible.sort_by_key(|i| (messages[*i].visible, messages[*i].sequence));
    visible.truncate(most);
    visible
}

fn peek(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::ReadItem)?;
    let most = call.number("numofmessages", 1, MOST)?.unwrap_or(1);
    let now = call.now;
    let messages = live(world, call)?;
    let entries: String =
        next(messages, now, most as usize).into_iter().map(|i| entry(&messages[i], false, true)).collect();
    Ok(answer(200, &entries))
}

fn get(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Process)?;
    let most = call.number("numofmessages", 1, MOST)?.unwrap_or(1);
    let hidden = call.number("visibilitytimeout", 1, WEEK_S)?.unwrap_or(VISIBILITY_S);
    let chosen = next(live(world, call)?, call.now, most as usize);
    let mut entries = String::new();
    for index in chosen {
        let receipt = receipt(world);
        let message = &mut live(world, call)?[index];
        message.receipt = receipt;
        message.visible = after(call.now, hidden);
        message.dequeued += 1;
        entries += &entry(message, true, true);
    }
    Ok(answer(200, &entries))
}

fn clear(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::DeleteItem)?;
    live(world, call)?.clear();
    Ok(SimResponse::empty(204))
}

/// Where the message with this id is, if the receipt is its last one.
fn held(world: &mut World, call: &Call, id: &str) -> Result<usize, Refusal> {
    let receipt = call.query("popreceipt").ok_or_else(|| refusal::missing_query("popreceipt"))?;
    let messages = live(world, call)?;
    let index = messages.iter().position(|message| message.id == id).ok_or(NO_MESSAGE)?;
    if messages[index].receipt == receipt { Ok(index) } else { Err(WRONG_RECEIPT.into()) }
}

fn update(world: &mut World, call: &Call, id: &str) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::WriteItem)?;
    let hidden = call
        .number("visibilitytimeout", 0, WEEK_S)?
        .ok_or_else(|| refusal::missing_query("visibilitytimeout"))?;
    let text = text_of(call)?;
    let index = held(world, call, id)?;
    let receipt = receipt(world);
    let visible = after(call.now, hidden);
    let message = &mut live(world, call)?[index];
    message.receipt.clone_from(&receipt);
    message.visible = visible;
    if let Some(text) = text {
        message.text = text;
    }
    Ok(SimResponse::empty(204)
        .with_header("x-ms-popreceipt", &receipt)
        .with_header("x-ms-time-next-visible", &http_date(visible)))
}

fn delete(world: &mut World, call: &Call, id: &str) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Process)?;
    let index = held(world, call, id)?;
    live(world, call)?.remove(index);
    Ok(SimResponse::empty(204))
}
