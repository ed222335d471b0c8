//! The loopback server: plain HTTP in, links that lead back.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex};

use serde_json::json;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn talk(address: std::net::SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer any\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
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
