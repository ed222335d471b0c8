//! Containers and blobs.

use super::ends::End;

async fn container(end: &End, name: &str) {
    end.blob("PUT", &format!("{name}?restype=container"), &[]).await.is(201, "");
}

pub async fn containers_are_made_listed_and_deleted(end: &End) {
    let made = end.blob("PUT", "con-a?restype=container", &[("x-ms-meta-farm", "one")]).await;
    assert!(!made.is(201, "").header("etag").is_empty());
    end.blob("PUT", "con-a?restype=container", &[]).await.is(409, "ContainerAlreadyExists");
    container(end, "con-b").await;
    let shown = end.blob("GET", "con-a?restype=container", &[]).await;
    assert_eq!(shown.is(200, "").header("etag"), made.header("etag"));
    assert_eq!(shown.header("x-ms-meta-farm"), "one");
    assert_eq!(shown.header("x-ms-lease-state"), "available");
    let listed = end.blob("GET", "?comp=list&prefix=con-", &[]).await;
    assert_eq!(listed.is(200, "").all("Name"), ["con-a", "con-b"]);
    end.blob("DELETE", "con-a?restype=container", &[]).await.is(202, "");
    end.blob("DELETE", "con-a?restype=container", &[]).await.is(404, "ContainerNotFound");
    end.blob("HEAD", "con-a?restype=container", &[]).await.is(404, "ContainerNotFound");
    end.put("con-a/x", &[], "x").await.is(404, "ContainerNotFound");
    end.blob("GET", "con-a/x", &[]).await.is(404, "ContainerNotFound");
    end.blob("GET", "con-a?restype=container&comp=list", &[]).await.is(404, "ContainerNotFound");
}

pub async fn blobs_are_put_read_and_deleted(end: &End) {
    container(end, "bytes").await;
    let path = "bytes/dir/a%20name.json";
    end.blob("GET", path, &[]).await.is(404, "BlobNotFound");
    let headers = [("x-ms-meta-holder", "me"), ("x-ms-blob-content-type", "application/json")];
    let made = end.put(path, &headers, "0123456789").await;
    assert!(!made.is(201, "").header("etag").is_empty() && !made.header("last-modified").is_empty());
    let read = end.blob("GET", path, &[]).await;
    assert_eq!((read.is(200, "").body.as_str(), read.header("etag")), ("0123456789", made.header("etag")));
    assert_eq!((read.header("content-type"), read.header("x-ms-meta-holder")), ("application/json", "me"));
    assert_eq!((read.header("x-ms-lease-state"), read.header("x-ms-blob-type")), ("available", "BlockBlob"));
    let head = end.blob("HEAD", path, &[]).await;
    assert_eq!((head.is(200, "").header("content-length"), head.header("x-ms-meta-holder")), ("10", "me"));

    let part = end.blob("GET", path, &[("range", "bytes=2-4")]).await;
    assert_eq!((part.is(206, "").body.as_str(), part.header("content-range")), ("234", "bytes 2-4/10"));
    let rest = end.blob("GET", path, &[("x-ms-range", "bytes=7-4194303")]).await;
    assert_eq!((rest.is(206, "").body.as_str(), rest.header("content-range")), ("789", "bytes 7-9/10"));
    end.blob("GET", path, &[("range", "bytes=11-")]).await.is(416, "InvalidRange");
    end.is_behind_the_end(&end.blob("GET", path, &[("range", "bytes=10-")]).await);

    // Other metadata is another etag; a new blob has none of the old metadata.
    let changed = end.blob("PUT", &format!("{path}?comp=metadata"), &[("x-ms-meta-farm", "f")]).await;
    assert_ne!(changed.is(200, "").header("etag"), made.header("etag"));
    let head = end.blob("HEAD", path, &[]).await;
    assert_eq!((head.header("x-ms-meta-holder"), head.header("x-ms-meta-farm")), ("", "f"));
    end.put(path, &[], "").await.is(201, "");
    let empty = end.blob("GET", path, &[]).await;
    assert_eq!((empty.is(200, "").body.as_str(), empty.header("x-ms-meta-farm")), ("", ""));
    end.blob("GET", path, &[("range", "bytes=0-4194303")]).await.is(416, "InvalidRange");
    end.blob("DELETE", path, &[]).await.is(202, "");
    end.blob("DELETE", path, &[]).await.is(404, "BlobNotFound");
    end.blob("HEAD", path, &[]).await.is(404, "BlobNotFound");
}

pub async fn conditions_are_kept(end: &End) {
    container(end, "conditions").await;
    let path = "conditions/b";
    end.put(path, &[("if-match", "\"0x8DE000000000000\"")], "a").await.is(412, "ConditionNotMet");
    let first = end.put(path, &[("if-none-match", "*")], "a").await;
    let first = first.is(201, "").header("etag").to_owned();
    end.put(path, &[("if-none-match", "*")], "b").await.is(409, "BlobAlreadyExists");
    end.put(path, &[("if-match", "\"0x8DE000000000000\"")], "b").await.is(412, "ConditionNotMet");
    let second = end.put(path, &[("if-match", &first)], "b").await;
    let second = second.is(201, "").header("etag").to_owned();
    assert_ne!(first, second);
    end.put(path, &[("if-none-match", &second)], "c").await.is(412, "ConditionNotMet");
    end.put(path, &[("if-match", "*")], "b").await.is(201, "");
    let etag = end.blob("HEAD", path, &[]).await.header("etag").to_owned();
    let future = "Fri, 01 Jan 2100 00:00:00 GMT";
    let past = "Sat, 01 Jan 2000 00:00:00 GMT";
    end.put(path, &[("if-modified-since", future)], "c").await.is(412, "ConditionNotMet");
    end.put(path, &[("if-unmodified-since", past)], "c").await.is(412, "ConditionNotMet");

    end.blob("GET", path, &[("if-match", &first)]).await.is(412, "ConditionNotMet");
    end.blob("GET", path, &[("if-match", &etag)]).await.is(200, "");
    end.blob("GET", path, &[("if-none-match", &etag)]).await.is(304, "ConditionNotMet");
    end.blob("GET", path, &[("if-none-match", &first)]).await.is(200, "");
    end.blob("GET", path, &[("if-modified-since", future)]).await.is(304, "ConditionNotMet");
    end.blob("GET", path, &[("if-unmodified-since", past)]).await.is(412, "ConditionNotMet");
    end.blob("DELETE", path, &[("if-match", &first)]).await.is(412, "ConditionNotMet");
    end.blob("DELETE", path, &[("if-match", &etag)]).await.is(202, "");
}

pub async fn lists_come_in_pages(end: &End) {
    container(end, "pages").await;
    for name in ["a/1", "a/2", "b", "c/1", "d"] {
        end.put(&format!("pages/{name}"), &[("x-ms-meta-of", name)], name).await.is(201, "");
    }
    let list = |query: &str| {
        let path = format!("pages?restype=container&comp=list{query}");
        async move { end.blob("GET", &path, &[]).await }
    };
    let all = list("&include=metadata").await;
    assert_eq!(all.is(200, "").all("Name"), ["a/1", "a/2", "b", "c/1", "d"]);
    assert_eq!(all.all("Content-Length"), ["3", "3", "1", "3", "1"]);
    assert_eq!(all.all("of").len(), 5);
    assert_eq!(
        (all.text("LeaseStatus"), all.text("BlobType")),
        ("unlocked".to_owned(), "BlockBlob".to_owned())
    );
    assert_eq!(list("&prefix=a/").await.all("Name"), ["a/1", "a/2"]);
    let folders = list("&delimiter=/").await;
    assert_eq!(folders.all("BlobPrefix").len(), 2);
    let mut names = folders.all("Name");
    names.sort();
    assert_eq!(names, ["a/", "b", "c/", "d"]);
    let (mut found, mut marker) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = list(&format!("&maxresults=2&marker={marker}")).await;
        assert!(page.is(200, "").all("Name").len() <= 2);
        found.extend(page.all("Name"));
        marker = url::form_urlencoded::byte_serialize(page.text("NextMarker").as_bytes()).collect();
    }
    assert_eq!((found.len(), marker.as_str()), (5, ""));
}

pub async fn blocks_make_a_blob(end: &End) {
    container(end, "blocks").await;
    let stage = |id: &'static str, text: &'static str| end.send("PUT", "blob", id, &[], text);
    stage("blocks/p?comp=block&blockid=YQ%3D%3D", "one ").await.is(201, "");
    stage("blocks/p?comp=block&blockid=Yg%3D%3D", "two ").await.is(201, "");
    end.blob("GET", "blocks/p", &[]).await.is(404, "BlobNotFound");
    let staged = end.blob("GET", "blocks/p?comp=blocklist&blocklisttype=all", &[]).await;
    assert_eq!(staged.is(200, "").all("Size"), ["4", "4"]);
    let commit = |list: &'static str| end.send("PUT", "blob", "blocks/p?comp=blocklist", &[], list);
    let list = "<?xml version=\"1.0\"?><BlockList><Latest>Yg==</Latest><Latest>YQ==</Latest></BlockList>";
    assert!(!commit(list).await.is(201, "").header("etag").is_empty());
    assert_eq!(end.blob("GET", "blocks/p", &[]).await.body, "two one ");
    stage("blocks/p?comp=block&blockid=Yw%3D%3D", "three").await.is(201, "");
    commit("<BlockList><Latest>ZA==</Latest></BlockList>").await.is(400, "InvalidBlockList");
    commit("<BlockList><Committed>YQ==</Committed><Uncommitted>Yw==</Uncommitted></BlockList>")
        .await
        .is(201, "");
    assert_eq!(end.blob("GET", "blocks/p", &[]).await.body, "one three");
    let left = end.blob("GET", "blocks/p?comp=blocklist&blocklisttype=all", &[]).await;
    assert_eq!(left.all("Name"), ["YQ==", "Yw=="]);
}
