//! `wire-traffic FILE`: writes what goes over the wire in whole lives of farms, one exchange of request and answer
//! per line, for judges that are no Rust programs (`tests/clients`).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use azure_sim::Exchange;
use flamenco_azure_tests::lives;
use serde_json::{Value, json};

/// JSON of a body; `null` when it is empty.
fn body(bytes: &[u8]) -> Value {
    match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(_) if bytes.is_empty() => Value::Null,
        Err(_) => json!(String::from_utf8_lossy(bytes)),
    }
}

fn line(exchange: &Exchange, ours: bool) -> Value {
    let (request, response) = (&exchange.request, &exchange.response);
    let mut sent = request.headers.clone();
    sent.remove("authorization");
    let answered: BTreeMap<&String, &String> = response.headers.iter().map(|(n, v)| (n, v)).collect();
    json!({
        "ours": ours,
        "request": {
            "method": request.method, "url": request.url, "headers": sent, "body": body(&request.body),
        },
        "response": {"status": response.status, "headers": answered, "body": body(&response.body)},
    })
}

fn write(file: &str) -> std::io::Result<usize> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    let mut lines = 0;
    for (traffic, ours) in [(lives::traffic(), true), (lives::tour(), false)] {
        for exchange in &traffic {
            writeln!(out, "{}", line(exchange, ours))?;
            lines += 1;
        }
    }
    out.flush()?;
    Ok(lines)
}

fn main() -> ExitCode {
    let file = std::env::args().nth(1).unwrap_or_else(|| "traffic.jsonl".to_owned());
    let (text, code) = match write(&file) {
        Ok(lines) => (format!("{lines} exchanges in {file}"), ExitCode::SUCCESS),
        Err(error) => (format!("{file}: {error}"), ExitCode::FAILURE),
    };
    let _ = writeln!(std::io::stderr(), "{text}");
    code
}
