//! `/metrics` and `/healthz`.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use flamenco_azure_core::clock::Clock;

use super::board::Board;
use crate::failure::Failure;

/// Answers until it fails; that it ends is a failure.
pub(super) async fn serve(
    listener: tokio::net::TcpListener,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
) -> Failure {
    let figures = Arc::clone(&board);
    let metrics = move || {
        let page = figures.metrics();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page) }
    };
    let health = move || {
        let well = board.healthy(clock.now());
        let lines = board.lines();
        async move { (if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, lines) }
    };
    let app = Router::new().route("/metrics", get(metrics)).route("/healthz", get(health));
    let ended = axum::serve(listener, app).await;
    Failure::bug(&anyhow::anyhow!("the metrics page ended: {ended:?}"))
}
