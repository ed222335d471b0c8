//! Queues themselves.

use super::ends::End;

pub async fn queues_are_made_listed_and_deleted(end: &End) {
    end.send("PUT", "queue", "made-a", &[("x-ms-meta-farm", "one")], "").await.is(201, "");
    end.send("PUT", "queue", "made-a", &[("x-ms-meta-farm", "one")], "").await.is(204, "");
    end.queue("PUT", "made-a", "").await.is(409, "QueueAlreadyExists");
    // Made in the order of the names: otherwise Azurite's pages have gaps.
    end.queue("PUT", "made-b", "").await.is(201, "");
    end.queue("PUT", "made-b", "").await.is(204, "");
    let shown = end.queue("GET", "made-a?comp=metadata", "").await;
    assert_eq!(shown.is(200, "").header("x-ms-meta-farm"), "one");
    assert_eq!(shown.header("x-ms-approximate-messages-count"), "0");
    end.send("PUT", "queue", "made-a?comp=metadata", &[("x-ms-meta-farm", "two")], "").await.is(204, "");
    assert_eq!(end.queue("HEAD", "made-a?comp=metadata", "").await.header("x-ms-meta-farm"), "two");

    let listed = end.queue("GET", "?comp=list&prefix=made-&include=metadata", "").await;
    assert_eq!(listed.is(200, "").all("Name"), ["made-a", "made-b"]);
    assert_eq!(listed.all("farm"), ["two"]);
    let first = end.queue("GET", "?comp=list&prefix=made-&maxresults=1", "").await;
    assert_eq!(first.is(200, "").all("Name"), ["made-a"]);
    let next = first.text("NextMarker");
    assert!(!next.is_empty());
    let second = end.queue("GET", &format!("?comp=list&prefix=made-&maxresults=1&marker={next}"), "").await;
    assert_eq!((second.all("Name"), second.text("NextMarker")), (vec!["made-b".to_owned()], String::new()));

    end.queue("DELETE", "made-a", "").await.is(204, "");
    end.queue("DELETE", "made-a", "").await.is(404, "QueueNotFound");
    end.queue("GET", "made-a?comp=metadata", "").await.is(404, "QueueNotFound");
    end.queue("GET", "made-a/messages", "").await.is(404, "QueueNotFound");
}

pub async fn names_are_checked(end: &End) {
    for (name, code) in [
        ("ab", "OutOfRangeInput"),
        (&*"x".repeat(64), "OutOfRangeInput"),
        ("Upper", "InvalidResourceName"),
        ("under_score", "InvalidResourceName"),
        ("two--hyphens", "InvalidResourceName"),
        ("-before", "InvalidResourceName"),
        ("after-", "InvalidResourceName"),
    ] {
        end.queue("PUT", name, "").await.is(400, code);
        end.blob("PUT", &format!("{name}?restype=container"), &[]).await.is(400, code);
    }
    end.queue("PUT", &"x".repeat(63), "").await.is(201, "");
}
