//! Every shape of node and scaler that renders differently.

use vmss_scaler::guest::*;

use super::stub::CLIENT;

pub fn queue() -> QueueAccess {
    QueueAccess {
        url: "https://crunch.queue.core.windows.net/deletions".into(),
        client_id: CLIENT.parse().unwrap(),
    }
}

pub fn bootstrap() -> NfsBootstrap {
    NfsBootstrap::new("10.0.16.12:/msazure", "/bootstrap/bootstrap.sh")
}

pub fn download() -> Download {
    Download {
        url: "https://example/public/program".into(),
        sha256: "0123456789abcdef".repeat(4),
        client_id: None,
    }
}

pub fn nodes() -> Vec<NodeGuest> {
    let all = NodeGuest {
        bootstrap: Some(bootstrap()),
        setup: Some(Setup::command("/bin/bash -c 's=$(echo x | base64 -d) && exec /bin/bash -c \"$s\"'")),
        queue: Some(queue()),
        spot: Some(SpotWatch { hook: Some("echo 'it'\\''s over' && sync".into()), ..SpotWatch::default() }),
        idle: Some(IdleWatch { check: "! pgrep -x blender".into(), minutes: 15 }),
    };
    vec![
        NodeGuest::default(),
        NodeGuest { spot: Some(SpotWatch::default()), ..NodeGuest::default() },
        NodeGuest { bootstrap: Some(bootstrap()), ..NodeGuest::default() },
        NodeGuest { setup: Some(Setup::Script("  odd\r\n\u{e9}: \u{1}".into())), ..NodeGuest::default() },
        NodeGuest { setup: Some(Setup::Download(download())), queue: Some(queue()), ..NodeGuest::default() },
        all,
    ]
}

pub fn capacity() -> Capacity {
    Capacity {
        tag: Some("TOTAL_NODES.crunch.spot".into()),
        client_id: Some(CLIENT.parse().unwrap()),
        ..Capacity::default()
    }
}

pub fn scalers() -> Vec<ScalerGuest> {
    let plain = ScalerGuest {
        binary: download(),
        config: "farm: crunch\n# it's read by 'one'\n".into(),
        log: LogFormat::Text,
        capacity: None,
    };
    let blob = Download {
        url: "https://example/private/program".into(),
        client_id: Some(CLIENT.parse().unwrap()),
        ..download()
    };
    let full =
        ScalerGuest { binary: blob, log: LogFormat::Json, capacity: Some(capacity()), ..plain.clone() };
    vec![plain, full]
}
