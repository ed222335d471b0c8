//! The loopback server: plain HTTP in, links that lead back.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

async fn talk(address: std::net::SocketAddr, method: &str, path: &str, body: &str) -> String {
    talk_as(address, method, path, body, "authorization: Bearer any\r\ncontent-type: application/json").await
}

async fn talk_as(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    body: &str,
    headers: &str,
) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn storage_endpoints_lead_back_and_blobs_are_left_as_they_are() {
    let mut world = world();
    group(&mut world);
    let account = format!("{}/providers/Microsoft.Storage/storageAccounts/farmstate", group_path());
    let mut body = tagged(json!({}));
    body["kind"] = json!("StorageV2");
    body["sku"] = json!({"name": "Standard_LRS"});
    make(&mut world, &account, &body);
    put(&mut world, &format!("{account}/blobServices/default/containers/state"), &json!({}));
    let start = world.now();
    let until = start + std::time::Duration::from_mins(10);
    let text = "a link to https://management.azure.com stays";
    let url: url::Url = world.blob_sas("farmstate", "state", "b", "rw", until).parse().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = Arc::new(Mutex::new(world));
    let served = azure_sim::server::Served::new(world, Arc::new(move || start));
    tokio::spawn(azure_sim::server::serve(listener, served));
    let shown = talk(address, "GET", &format!("{account}?api-version=2023-05-01"), "").await;
    let blobs = format!("http://{address}/host/farmstate.blob.core.windows.net");
    assert!(shown.contains(&format!("\"blob\":\"{blobs}/\"")), "{shown}");
    let path = format!("/host/farmstate.blob.core.windows.net{}?{}", url.path(), url.query().unwrap());
    let refused = talk(address, "GET", "/host/farmstate.blob.core.windows.net/state/b", "").await;
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("AuthenticationFailed"), "{refused}");
    let block = format!("{path}&comp=block&blockid=YQ%3D%3D");
    // The signature counts where there is no token.
    let put = |path: String, body: &'static str| async move {
        talk_as(address, "PUT", &path, body, "x-ms-version: 2025-11-05\r\nx-ms-blob-type: BlockBlob").await
    };
    assert!(put(block, text).await.starts_with("HTTP/1.1 201"));
    let list = "<BlockList><Latest>YQ==</Latest></BlockList>";
    assert!(put(format!("{path}&comp=blocklist"), list).await.starts_with("HTTP/1.1 201"));
    let read = talk_as(address, "GET", &path, "", "x-ms-version: 2025-11-05").await;
    assert!(read.ends_with(text), "{read}");
    let head = talk_as(address, "HEAD", &path, "", "x-ms-version: 2025-11-05").await;
    assert!(
        head.contains(&format!("content-length: {}", text.len())) && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn links_lead_back_to_the_server() {
    let mut world = world();
    group(&mut world);
    let start = world.now();
    let world = Arc::new(Mutex::new(world));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = azure_sim::server::Served::new(Arc::clone(&world), Arc::new(move || start));
    tokio::spawn(azure_sim::server::serve(listener, served));
    let path = format!("{}?api-version=2024-03-01", net("networkSecurityGroups/n"));
    let answer = talk(address, "PUT", &path, &tagged(json!({})).to_string()).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.contains(&format!("azure-asyncoperation: http://{address}/subscriptions/")), "{answer}");
    let cloud = talk(address, "GET", "/metadata/endpoints?api-version=2022-09-01", "").await;
    assert!(cloud.contains(&format!("\"resourceManager\":\"http://{address}/\"")), "{cloud}");
    let open = talk(address, "GET", "/common/v2.0/.well-known/openid-configuration", "").await;
    assert!(open.contains(&format!("http://{address}/common/oauth2/v2.0/token")), "{open}");
    assert_eq!(world.lock().unwrap().resources().len(), 1);
}
