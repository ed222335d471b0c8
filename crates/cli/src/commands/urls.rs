//! `urls`, and the summary at the end of a deploy.

use flamenco_azure_core::shaman;
use flamenco_azure_core::spec::{Farm, Tls};
use manager_vm::desired::inbound_rules;
use manager_vm::spec::ADMIN_USER;
use serde_json::json;

use crate::cost;
use crate::failure::{Exit, Outcome};
use crate::farmfile::FarmFile;
use crate::printer::Mode;
use crate::session::Session;

/// Where artists send frames.
pub const OUTPUT: &str = "/mnt/flamenco-output/render";

/// The addresses of a farm.
#[derive(Debug, Clone)]
pub struct Urls {
    /// The Manager's web page.
    pub manager: String,
    /// The same for the old add-on's "Job Storage".
    pub shaman: String,
    /// The ssh destination.
    pub ssh: String,
}

/// Derives the addresses: purely from the farm file, no request.
pub fn of(farm: &Farm) -> Option<Urls> {
    let web = !inbound_rules(farm).iter().all(|rule| rule.what != "web") && farm.manager.tls != Tls::Off;
    let host = farm.host();
    // Without a public way in, the tunnel's end is the address.
    let manager = if web { format!("https://{host}/") } else { "http://localhost:8080/".to_owned() };
    let shaman = shaman::ShamanUrl::from_manager_url(&manager).ok()?.to_string();
    Some(Urls { manager, shaman, ssh: format!("{ADMIN_USER}@{}", farm.fqdn()) })
}

/// Runs `urls`.
pub fn run(session: &Session) -> Outcome {
    let file = session.farm_file(None, true)?;
    print(session, &file.farm);
    Ok(Exit::Done)
}

fn print(session: &Session, farm: &Farm) {
    let printer = session.printer;
    let Some(urls) = of(farm) else { return };
    if printer.mode() == Mode::Json {
        printer.event(
            "urls",
            json!({"manager": urls.manager, "shaman": urls.shaman, "output": OUTPUT, "ssh": urls.ssh}),
        );
        return;
    }
    printer.result(format!("  Manager      {}", urls.manager));
    if urls.manager.starts_with("http://localhost") {
        printer.result("               (after `flamenco-azure tunnel`)");
    }
    printer.result(format!(
        "  Shaman       {}   (Flamenco 2 add-ons; Flamenco 3 wants the Manager URL)",
        urls.shaman
    ));
    printer.result(format!("  job output   {OUTPUT}"));
    if farm.is_public() {
        printer.result(format!("  ssh          ssh {}   (or `flamenco-azure ssh`)", urls.ssh));
    }
}

/// What a finished deploy says: addresses, how to go on, costs, and the warning that Flamenco has no login.
pub async fn summary(session: &Session, file: &FarmFile) {
    let printer = session.printer;
    print(session, &file.farm);
    if printer.mode() != Mode::Human {
        return;
    }
    if let Some(address) = address(session, &file.farm).await {
        printer.result(format!("  address      {address}"));
    }
    let pool = file.farm.pools.first().map_or("POOL", |pool| pool.name.as_str());
    printer.info(format!("  resize       flamenco-azure scale {pool} --dedicated N --spot N"));
    printer.info("  stop paying  flamenco-azure pause      remove  flamenco-azure teardown");
    cost::present(session, &file.farm).await;
    super::plan::access(session, &file.farm);
    printer.warn("Flamenco has no login: whoever the access lists admit can run code on the workers");
}

async fn address(session: &Session, farm: &Farm) -> Option<String> {
    let id = manager_vm::spec::Names::of(farm).public_ip();
    let read = flamenco_azure_core::arm::Request::get(id.as_str()).api_version(manager_vm::wire::NETWORK_API);
    let body = session.client.get(&read).await.ok()??;
    Some(body.pointer("/properties/ipAddress")?.as_str()?.to_owned())
}
