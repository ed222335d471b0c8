//! Laws of fetching an upstream archive: by https only, whole or not at all, nothing secret of the address in words.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode};
use batch_pool::packages::{FetchError, fetch, shown_source};
use flamenco_azure_core::exec::NoReporter;

/// The most that is taken.
const MOST: u64 = 10_000;

/// Answers in turn; keeps what it was asked.
#[derive(Debug, Default)]
struct Mirror {
    answers: Mutex<Vec<Answer>>,
    asked: Mutex<Vec<String>>,
}

#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
}

fn file(body: &'static str) -> Answer {
    Answer { status: 200, headers: vec![("content-length", body.len().to_string())], body }
}

fn onward(to: &str) -> Answer {
    Answer { status: 302, headers: vec![("location", to.to_owned())], body: "" }
}

#[async_trait]
impl HttpClient for Mirror {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        assert!(
            request.headers().iter().all(|(name, _)| name.as_str() != "authorization"),
            "nobody gets a token"
        );
        self.asked.lock().unwrap().push(request.url().to_string());
        let mut answers = self.answers.lock().unwrap();
        // The last one again and again.
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        let mut headers = Headers::new();
        for (name, value) in answer.headers {
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(answer.status), headers, answer.body.as_bytes()))
    }
}

async fn fetched(url: &str, answers: &[Answer]) -> (Result<String, FetchError>, Vec<String>) {
    let mirror = Arc::new(Mirror { answers: Mutex::new(answers.to_vec()), ..Mirror::default() });
    let transport: Arc<dyn HttpClient> = Arc::clone(&mirror) as _;
    let got = fetch(url, &std::env::temp_dir(), MOST, Some(transport), &NoReporter).await;
    let text = got.map(|mut file| {
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    });
    let asked = mirror.asked.lock().unwrap().clone();
    (text, asked)
}

#[tokio::test]
async fn a_mirror_is_followed_by_https_and_nowhere_else() {
    let answers = [onward("/mirror/blender.tar.xz"), onward("https://b.example/x.tar.xz"), file("archive")];
    let (got, asked) = fetched("https://a.example/blender.tar.xz", &answers).await;
    assert_eq!(got.unwrap(), "archive");
    assert_eq!(
        asked,
        [
            "https://a.example/blender.tar.xz",
            "https://a.example/mirror/blender.tar.xz",
            "https://b.example/x.tar.xz"
        ]
    );
    for bad in ["http://b.example/x", "file:///etc/passwd", "https://"] {
        let (got, asked) = fetched("https://a.example/x", &[onward(bad), file("archive")]).await;
        assert!(matches!(got, Err(FetchError::Address { .. })), "{bad}: {got:?}");
        assert_eq!(asked.len(), 1, "{bad}");
        assert!(fetched(bad, &[file("archive")]).await.1.is_empty(), "{bad} is not even asked");
    }
    let (got, asked) = fetched("https://a.example/x", &[onward("/x")]).await;
    assert!(matches!(got, Err(FetchError::Redirects { .. })), "{got:?}");
    assert!(asked.len() < 20, "{}", asked.len());
}

#[tokio::test]
async fn half_an_archive_and_a_page_about_an_error_are_no_archive() {
    let mut short = file("archive");
    short.headers = vec![("content-length", "9999".to_owned())];
    let (got, _) = fetched("https://a.example/x", &[short]).await;
    assert!(matches!(got, Err(FetchError::Short { got: 7, announced: 9999, .. })), "{got:?}");
    for status in [403, 404, 500] {
        let answer = Answer { status, headers: Vec::new(), body: "<html>no</html>" };
        let (got, _) = fetched("https://a.example/x", &[answer]).await;
        assert!(matches!(got, Err(FetchError::Refused { status: said, .. }) if said == status), "{got:?}");
    }
}

#[tokio::test]
async fn what_is_larger_than_a_package_can_be_is_not_fetched() {
    let announced = MOST + 1;
    let honest = Answer { headers: vec![("content-length", announced.to_string())], ..file("archive") };
    let body = "x".repeat(MOST as usize + 1).leak();
    let silent = Answer { headers: Vec::new(), ..file(body) };
    for answer in [honest, silent] {
        let (got, _) = fetched("https://a.example/x", &[answer]).await;
        assert!(matches!(got, Err(FetchError::TooLarge { limit: MOST, .. })), "{got:?}");
    }
    let (got, _) = fetched("https://a.example/x", &[file(&body[1..])]).await;
    assert_eq!(got.unwrap().len() as u64, MOST);
}

#[tokio::test]
async fn an_address_is_shown_without_its_secrets_whatever_is_wrong_with_it() {
    for source in [
        "https://me:SECRET@a.example/x.tar.xz",
        "https://SECRET@a.example/x.tar.xz?sig=SECRET",
        "https://me:SECRET@a.example:port/x.tar.xz",
        "https://me:SEC/RET@a.example/x.tar.xz#SECRET",
        "https://me:SEC?RET@a.example/x.tar.xz",
        "https://me:SECRET@a .example/x.tar.xz?sig=SECRET",
        "http://me:SECRET@a.example/x.tar.xz",
    ] {
        let shown = shown_source(source);
        assert!(!shown.contains("SEC") && !shown.contains("RET") && shown.ends_with("/x.tar.xz"), "{shown}");
        if !source.contains("https://me:SECRET@a.example/") && !source.contains("https://SECRET") {
            let said = fetched(source, &[file("archive")]).await.0.unwrap_err().to_string();
            assert!(!said.contains("SEC") && !said.contains("RET"), "{said}");
        }
    }
    assert_eq!(shown_source("a@b/c?d"), "a@b/c?d", "a path is shown as it is");
}

#[tokio::test]
async fn what_is_secret_in_an_address_is_in_no_message() {
    let url = "https://me:password@a.example/x?sig=SECRET#part";
    let mut short = file("archive");
    short.headers = vec![("content-length", "9999".to_owned())];
    let refused = Answer { status: 404, headers: Vec::new(), body: "" };
    for answer in
        [short, refused, onward("http://me:password@b.example/?sig=SECRET"), onward("/x?sig=SECRET")]
    {
        let (got, _) = fetched(url, &[answer]).await;
        let said = flamenco_azure_core::error::chain(&got.unwrap_err());
        assert!(!said.contains("SECRET") && !said.contains("password"), "{said}");
        assert!(said.contains(".example"), "{said}");
    }
}
