//! Messages.

use super::ends::{End, Reply};

fn xml(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><QueueMessage><MessageText>{text}</MessageText></QueueMessage>"
    )
}

async fn put(end: &End, queue: &str, text: &str) -> Reply {
    end.queue("POST", &format!("{queue}/messages"), &xml(text)).await
}

async fn get(end: &End, queue: &str, query: &str) -> Reply {
    end.queue("GET", &format!("{queue}/messages?{query}"), "").await
}

fn one(queue: &str, id: &str, receipt: &str) -> String {
    let receipt: String = url::form_urlencoded::byte_serialize(receipt.as_bytes()).collect();
    format!("{queue}/messages/{id}?popreceipt={receipt}")
}

pub async fn a_message_is_hidden_while_somebody_has_it(end: &End) {
    let queue = "hidden";
    end.queue("PUT", queue, "").await.is(201, "");
    let sent = put(end, queue, "first").await;
    assert_eq!(sent.is(201, "").all("MessageId").len(), 1);
    for element in ["InsertionTime", "ExpirationTime", "PopReceipt", "TimeNextVisible"] {
        assert!(!sent.text(element).is_empty(), "{element}: {}", sent.body);
    }
    put(end, queue, "second").await.is(201, "");
    put(end, queue, "third").await.is(201, "");

    let peeked = get(end, queue, "peekonly=true&numofmessages=32").await;
    assert_eq!(peeked.is(200, "").all("MessageText"), ["first", "second", "third"]);
    assert_eq!(peeked.all("DequeueCount"), ["0", "0", "0"]);
    assert!(peeked.all("PopReceipt").is_empty() && peeked.all("TimeNextVisible").is_empty());

    let got = get(end, queue, "numofmessages=2").await;
    assert_eq!(got.is(200, "").all("MessageText"), ["first", "second"]);
    assert_eq!(got.all("DequeueCount"), ["1", "1"]);
    assert_eq!(got.text("MessageId"), sent.text("MessageId"));
    assert_eq!(get(end, queue, "peekonly=true&numofmessages=32").await.all("MessageText"), ["third"]);
    // Hidden ones count.
    let shown = end.queue("GET", "hidden?comp=metadata", "").await;
    assert_eq!(shown.header("x-ms-approximate-messages-count"), "3");

    end.queue("DELETE", &one(queue, &got.text("MessageId"), &got.text("PopReceipt")), "").await.is(204, "");
    end.queue("DELETE", "hidden/messages", "").await.is(204, "");
    let none = get(end, queue, "numofmessages=32").await;
    assert_eq!(none.is(200, "").all("QueueMessage").len(), 0);
}

pub async fn only_the_last_receipt_counts(end: &End) {
    let queue = "receipts";
    end.queue("PUT", queue, "").await.is(201, "");
    let sent = put(end, queue, "text").await;
    let id = sent.text("MessageId");
    let unknown = one(queue, "0b1ec700-51a0-4000-a000-0b1ec7000001", &sent.text("PopReceipt"));
    end.queue("DELETE", &unknown, "").await.is(404, "MessageNotFound");
    end.queue("PUT", &format!("{unknown}&visibilitytimeout=5"), "").await.is(404, "MessageNotFound");

    let got = get(end, queue, "").await.text("PopReceipt");
    let stale = one(queue, &id, &sent.text("PopReceipt"));
    end.queue("DELETE", &stale, "").await.is(400, "PopReceiptMismatch");
    end.queue("PUT", &format!("{stale}&visibilitytimeout=5"), "").await.is(400, "PopReceiptMismatch");

    let held = one(queue, &id, &got);
    let updated = end.queue("PUT", &format!("{held}&visibilitytimeout=60"), "").await;
    let new = updated.is(204, "").header("x-ms-popreceipt").to_owned();
    assert!(!new.is_empty() && new != got, "{new}");
    assert!(!updated.header("x-ms-time-next-visible").is_empty());
    end.queue("DELETE", &held, "").await.is(400, "PopReceiptMismatch");
    // A new text, visible at once.
    let changed =
        end.queue("PUT", &format!("{}&visibilitytimeout=0", one(queue, &id, &new)), &xml("new")).await;
    let last = changed.is(204, "").header("x-ms-popreceipt").to_owned();
    let peeked = get(end, queue, "peekonly=true").await;
    assert_eq!((peeked.text("MessageText"), peeked.text("DequeueCount")), ("new".to_owned(), "1".to_owned()));
    end.queue("DELETE", &one(queue, &id, &last), "").await.is(204, "");
    end.queue("DELETE", &one(queue, &id, &last), "").await.is(404, "MessageNotFound");
}

pub async fn messages_come_back_and_run_out(end: &End) {
    let queue = "times";
    end.queue("PUT", queue, "").await.is(201, "");
    put(end, queue, "back").await.is(201, "");
    let first = get(end, queue, "visibilitytimeout=1").await;
    assert_eq!(get(end, queue, "").await.all("MessageText").len(), 0);
    end.wait(1.5).await;
    let second = get(end, queue, "visibilitytimeout=1").await;
    assert_eq!(
        (second.text("MessageText"), second.text("DequeueCount")),
        ("back".to_owned(), "2".to_owned())
    );
    assert_ne!(first.text("PopReceipt"), second.text("PopReceipt"));
    end.queue("DELETE", &one(queue, &second.text("MessageId"), &second.text("PopReceipt")), "")
        .await
        .is(204, "");

    let later = end.queue("POST", "times/messages?visibilitytimeout=1&messagettl=-1", &xml("later")).await;
    assert!(later.is(201, "").text("ExpirationTime").contains("9999"), "{}", later.body);
    end.queue("POST", "times/messages?messagettl=1", &xml("short")).await.is(201, "");
    assert_eq!(get(end, queue, "peekonly=true&numofmessages=32").await.all("MessageText"), ["short"]);
    end.wait(1.5).await;
    assert_eq!(get(end, queue, "peekonly=true&numofmessages=32").await.all("MessageText"), ["later"]);
}

pub async fn numbers_have_limits(end: &End) {
    let queue = "limits";
    end.queue("PUT", queue, "").await.is(201, "");
    let sent = put(end, queue, "x").await;
    for query in ["numofmessages=0", "numofmessages=33", "visibilitytimeout=0", "visibilitytimeout=604801"] {
        end.refuses(&get(end, queue, query).await, "OutOfRangeQueryParameterValue");
    }
    let peek = get(end, queue, "peekonly=true&numofmessages=33").await;
    end.refuses(&peek, "OutOfRangeQueryParameterValue");
    let held = one(queue, &sent.text("MessageId"), &sent.text("PopReceipt"));
    let late = end.queue("PUT", &format!("{held}&visibilitytimeout=604801"), "").await;
    end.refuses(&late, "OutOfRangeQueryParameterValue");
    for (query, code) in [
        ("visibilitytimeout=604801", "OutOfRangeQueryParameterValue"),
        ("messagettl=0", "InvalidQueryParameterValue"),
        ("messagettl=5&visibilitytimeout=5", "InvalidQueryParameterValue"),
    ] {
        let refused = end.queue("POST", &format!("limits/messages?{query}"), &xml("x")).await;
        end.refuses(&refused, code);
    }
}

pub async fn texts_arrive_as_they_are(end: &End) {
    let queue = "texts";
    end.queue("PUT", queue, "").await.is(201, "");
    let long = "x".repeat(64 * 1024);
    for text in ["{\"a\": \"<b> & 'c' ä\"}", "set,12", "c2V0LDEy", "  blanks  ", "two\nlines", &long] {
        put(end, queue, text).await.is(201, "");
        let got = get(end, queue, "").await;
        assert_eq!(got.text("MessageText"), text);
    }
    put(end, queue, &format!("{long}x")).await.is(413, "RequestBodyTooLarge");
}
