//! Laws of uploads to the blob data plane: blocks, checksums, limits, signatures.

use azure_sim::{SimRequest, SimResponse, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;

use crate::support::*;

fn prepared() -> World {
    let mut w = world();
    group(&mut w);
    let account = format!("{}/providers/Microsoft.Storage/storageAccounts/farmstate", group_path());
    let mut body = tagged(json!({}));
    body["kind"] = json!("StorageV2");
    body["sku"] = json!({"name": "Standard_LRS"});
    make(&mut w, &account, &body);
    let container = format!("{account}/blobServices/default/containers/apps");
    assert_eq!(put(&mut w, &container, &json!({})).status, 201);
    w
}

fn id(number: usize) -> String {
    STANDARD.encode(format!("{number:06}")).replace('=', "%3D").replace('+', "%2B").replace('/', "%2F")
}

/// A request on the blob `b` with a signature for everything.
fn call(w: &World, method: &str, query: &str, body: &[u8]) -> SimRequest {
    let until = w.now() + std::time::Duration::from_hours(1);
    let url = w.blob_sas("farmstate", "apps", "b", "racwd", until).replace('?', &format!("?{query}&"));
    let mut request = SimRequest::new(method, url.parse().unwrap());
    request = request.header("x-ms-version", "2025-11-05").header("x-ms-blob-type", "BlockBlob");
    request.body = body.to_vec();
    request
}

fn stage(w: &mut World, number: usize, body: &[u8]) -> SimResponse {
    let request = call(w, "PUT", &format!("comp=block&blockid={}", id(number)), body);
    w.handle(&request)
}

fn commit(w: &mut World, blocks: &[(&str, usize)]) -> SimResponse {
    let mut list = String::new();
    for (kind, number) in blocks {
        let id = STANDARD.encode(format!("{number:06}"));
        list.extend(["<", kind, ">", &id, "</", kind, ">"]);
    }
    let body = format!("<?xml version=\"1.0\"?><BlockList>{list}</BlockList>");
    let request = call(w, "PUT", "comp=blocklist", body.as_bytes());
    w.handle(&request)
}

fn read(w: &mut World) -> SimResponse {
    let request = call(w, "GET", "x=y", b"");
    w.handle(&request)
}

fn blocks(w: &mut World, kind: &str) -> Vec<(String, usize)> {
    let request = call(w, "GET", "comp=blocklist&blocklisttype=all", b"");
    let text = String::from_utf8(w.handle(&request).body).unwrap();
    let part = text.split(&format!("<{kind}>")).nth(1).unwrap().split(&format!("</{kind}>")).next().unwrap();
    let field = |block: &str, name: &str| {
        block.split(&format!("<{name}>")).nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    let all = part.split("<Block>").skip(1);
    all.map(|block| {
        let name = String::from_utf8(STANDARD.decode(field(block, "Name")).unwrap()).unwrap();
        (name, field(block, "Size").parse().unwrap())
    })
    .collect()
}

#[test]
fn an_upload_goes_on_where_it_was_interrupted() {
    let mut w = prepared();
    for (number, body) in [(2, "cc"), (0, "a"), (1, "bbb")] {
        assert_eq!(stage(&mut w, number, body.as_bytes()).status, 201);
    }
    let names: Vec<String> = blocks(&mut w, "UncommittedBlocks").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["000000", "000001", "000002"]);
    // The program dies and comes back, with the world read from its file.
    let mut w = World::from_json(&w.to_json().unwrap()).unwrap();
    assert_eq!(read(&mut w).status, 404);
    assert_eq!(commit(&mut w, &[("Latest", 0), ("Latest", 1), ("Latest", 2)]).status, 201);
    assert_eq!(read(&mut w).body, b"abbbcc");
    assert_eq!(
        blocks(&mut w, "CommittedBlocks"),
        [("000000".to_owned(), 1), ("000001".to_owned(), 3), ("000002".to_owned(), 2)]
    );
    assert!(blocks(&mut w, "UncommittedBlocks").is_empty());
    // A later version keeps what is the same.
    assert_eq!(stage(&mut w, 3, b"DD").status, 201);
    assert_eq!(commit(&mut w, &[("Committed", 2), ("Uncommitted", 3), ("Latest", 0)]).status, 201);
    assert_eq!(read(&mut w).body, b"ccDDa");
    assert_eq!(data_code(&commit(&mut w, &[("Uncommitted", 2)])), (400, "InvalidBlockList"));
}

#[test]
fn what_arrives_otherwise_than_it_was_sent_is_refused_and_not_kept() {
    let mut w = prepared();
    let md5 = "kAFQmDzST7DWlj99KOF/cg=="; // of "abc"
    let sums = [("content-md5", md5, "Md5Mismatch"), ("x-ms-content-crc64", "", "Crc64Mismatch")];
    let told = stage(&mut w, 9, b"abc").header("x-ms-content-crc64").unwrap().to_owned();
    for (header, sum, refusal) in sums {
        let sum = if sum.is_empty() { told.as_str() } else { sum };
        for query in ["comp=block&blockid=AAAAAAAA", "x=y"] {
            let broken = call(&w, "PUT", query, b"abd").header(header, sum);
            let refused = w.handle(&broken);
            assert_eq!(data_code(&refused), (400, refusal), "{query}");
            assert!(String::from_utf8(refused.body).unwrap().contains("ServerCalculated"));
        }
        assert_eq!(blocks(&mut w, "UncommittedBlocks").len(), 1, "only the first");
        let whole = call(&w, "PUT", "comp=block&blockid=AAAAAAAA", b"abc").header(header, sum);
        let kept = w.handle(&whole);
        assert_eq!((kept.status, kept.header(header)), (201, Some(sum)));
        let other = call(&w, "DELETE", "x=y", b"");
        w.handle(&other);
        let empty = call(&w, "PUT", "comp=blocklist", b"<BlockList><Latest>AAAAAAAA</Latest></BlockList>");
        assert_eq!(w.handle(&empty).status, 201);
        assert_eq!(stage(&mut w, 9, b"abc").status, 201);
    }
    let both = call(&w, "PUT", "x=y", b"abc").header("content-md5", md5).header("x-ms-content-crc64", &told);
    assert_eq!(data_code(&w.handle(&both)), (400, "InvalidHeaderValue"));
    let odd = call(&w, "PUT", "x=y", b"abc").header("content-md5", "YWJj");
    assert_eq!(data_code(&w.handle(&odd)), (400, "InvalidMd5"));
    let list = call(&w, "PUT", "comp=blocklist", b"<BlockList></BlockList>").header("content-md5", md5);
    assert_eq!(data_code(&w.handle(&list)), (400, "Md5Mismatch"));
}

#[test]
fn blocks_have_limits() {
    let mut w = prepared();
    w.set_limit("storage", "blockBytes", 4);
    w.set_limit("storage", "blobBytes", 6);
    w.set_limit("storage", "uncommittedBlocks", 2);
    w.set_limit("storage", "committedBlocks", 2);
    assert_eq!(data_code(&stage(&mut w, 0, b"")), (400, "InvalidHeaderValue"));
    assert_eq!(data_code(&stage(&mut w, 0, b"12345")), (413, "RequestBodyTooLarge"));
    assert_eq!(stage(&mut w, 0, b"1234").status, 201);
    let whole = |w: &World, body: &[u8]| call(w, "PUT", "x=y", body);
    assert_eq!(data_code(&w.clone().handle(&whole(&w, b"1234567"))), (413, "RequestBodyTooLarge"));
    assert_eq!(w.clone().handle(&whole(&w, b"123456")).status, 201);
    let odd = call(&w, "PUT", "comp=block&blockid=YQ%3D%3D", b"1");
    assert_eq!(data_code(&w.handle(&odd)), (400, "InvalidBlobOrBlock"), "ids of one length");
    assert_eq!(stage(&mut w, 1, b"5").status, 201);
    assert_eq!(data_code(&stage(&mut w, 2, b"6")), (409, "BlockCountExceedsLimit"));
    assert_eq!(stage(&mut w, 1, b"7").status, 201, "one that is there is replaced");
    assert_eq!(
        data_code(&commit(&mut w, &[("Latest", 0), ("Latest", 1), ("Latest", 0)])),
        (400, "BlockListTooLong")
    );
    assert_eq!(commit(&mut w, &[("Latest", 0), ("Latest", 1)]).status, 201);
    assert_eq!(read(&mut w).body, b"12347");
    assert_eq!(w.handle(&odd).status, 201, "committed ones do not count");
    // Old clients have smaller blocks.
    let mut w = prepared();
    for (version, said, wanted) in
        [("2025-11-05", "4194305", 201), ("2015-12-11", "4194305", 413), ("2025-11-05", "4194304001", 413)]
    {
        let request = call(&w, "PUT", "comp=block&blockid=AAAAAAAA", b"x");
        let request = request.header("x-ms-version", version).header("content-length", said);
        assert_eq!(w.handle(&request).status, wanted, "{version} {said}");
    }
}

#[test]
fn a_signature_ends_and_goes_only_so_far() {
    let mut w = prepared();
    let until = w.now() + std::time::Duration::from_mins(1);
    let url = w.blob_sas("farmstate", "apps", "b", "cw", until);
    let send = |w: &mut World, method: &str, url: &str| {
        let mut request = SimRequest::new(method, url.parse().unwrap()).header("x-ms-version", "2025-11-05");
        request = request.header("x-ms-blob-type", "BlockBlob");
        request.body = b"x".to_vec();
        let answer = w.handle(&request);
        (answer.status, answer.header("x-ms-error-code").unwrap_or_default().to_owned())
    };
    let failed = |code: &str| (403, code.to_owned());
    assert_eq!(send(&mut w, "PUT", &url).0, 201);
    assert_eq!(send(&mut w, "GET", &url), failed("AuthorizationPermissionMismatch"));
    assert_eq!(send(&mut w, "PUT", &url.replace("/b?", "/c?")), failed("AuthenticationFailed"));
    assert_eq!(send(&mut w, "PUT", &url.replace("sp=cw", "sp=rcw")), failed("AuthenticationFailed"));
    w.advance_by(60);
    assert_eq!(send(&mut w, "PUT", &url), failed("AuthenticationFailed"));
}

#[test]
fn large_bodies_do_not_fill_the_log() {
    let mut w = prepared();
    for number in 0..4 {
        assert_eq!(stage(&mut w, number, &vec![7; 6 * 1024 * 1024]).status, 201);
    }
    let longest = w.log().iter().map(|exchange| exchange.request.body.len()).max().unwrap();
    assert_eq!(longest, 4 * 1024 * 1024);
    assert_eq!(commit(&mut w, &[("Latest", 0), ("Latest", 1), ("Latest", 2), ("Latest", 3)]).status, 201);
    let request = call(&w, "HEAD", "x=y", b"");
    assert_eq!(w.handle(&request).header("content-length"), Some("25165824"));
    let part = call(&w, "GET", "x=y", b"").header("x-ms-range", "bytes=6291455-6291456");
    assert_eq!((w.handle(&part).status, w.handle(&part).body.len()), (206, 2));
}

#[test]
fn blocks_of_a_hundred_mebibytes_are_taken() {
    let mut w = prepared();
    let body = vec![3; 100 * 1024 * 1024];
    for number in 0..2 {
        let answer = stage(&mut w, number, &body);
        assert_eq!((answer.status, answer.header("x-ms-content-crc64").is_some()), (201, true));
    }
    assert_eq!(commit(&mut w, &[("Latest", 0), ("Latest", 1), ("Latest", 0)]).status, 201);
    let request = call(&w, "HEAD", "x=y", b"");
    assert_eq!(w.handle(&request).header("content-length"), Some("314572800"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_blocks_gives_the_bytes_in_the_order_of_the_list(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..20),
        turn in 0_usize..20,
        range in (0_usize..400, 0_usize..400),
    ) {
        let mut w = prepared();
        let order = (0..parts.len()).map(|at| (at + turn) % parts.len());
        for number in order {
            prop_assert_eq!(stage(&mut w, number, &parts[number]).status, 201);
        }
        let list: Vec<(&str, usize)> = (0..parts.len()).map(|number| ("Latest", number)).collect();
        prop_assert_eq!(commit(&mut w, &list).status, 201);
        let whole: Vec<u8> = parts.concat();
        prop_assert_eq!(&read(&mut w).body, &whole);
        let (first, last) = (range.0.min(range.1), range.0.max(range.1));
        let request = call(&w, "GET", "x=y", b"").header("x-ms-range", &format!("bytes={first}-{last}"));
        let answer = w.handle(&request);
        if first < whole.len() {
            prop_assert_eq!((answer.status, answer.body), (206, whole[first..whole.len().min(last + 1)].to_vec()));
        } else {
            prop_assert_eq!(answer.status, 416);
        }
    }
}
