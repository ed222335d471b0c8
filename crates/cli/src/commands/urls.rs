//! `urls`, and the summary at the end of a deploy.

use flamenco_azure_core::shaman;
use flamenco_azure_core::spec::{Farm, Tls};
use manager_vm::ManagerHost as _;
use manager_vm::desired::inbound_rules;
use manager_vm::spec::ADMIN_USER;
use serde_json::json;

use crate::cost;
use crate::failure::{Exit, Outcome};
use crate::farmfile::FarmFile;
use crate::printer::Mode;
use crate::session::Session;

/// Where the Manager is while `flamenco-azure tunnel` runs.
const TUNNEL: &str = "http://localhost:8080/";

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
    // Without a public listener, the tunnel's end is the address.
    let public = farm.is_public() && farm.manager.tls != Tls::Off;
    let manager = if public { format!("https://{}/", farm.host()) } else { TUNNEL.to_owned() };
    let shaman = shaman::ShamanUrl::from_manager_url(&manager).ok()?.to_string();
    Some(Urls { manager, shaman, ssh: format!("{ADMIN_USER}@{}", farm.fqdn()) })
}

/// Runs `urls`.
pub fn run(session: &Session) -> Outcome {
    let file = session.standing_farm()?;
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
    if urls.manager == TUNNEL {
        printer.result("               (after `flamenco-azure tunnel`)");
    } else if inbound_rules(farm).iter().all(|rule| rule.what != "web") {
        printer.result("               (nobody is admitted yet: `manager.access.web` in the farm file)");
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

/// What every deploy ends with: addresses, how to go on, and the warning that Flamenco has no login; after a run of
/// minutes also what was shown with the plan and is out of sight by now.
pub async fn summary(session: &Session, file: &FarmFile, after_run: bool) {
    let printer = session.printer;
    print(session, &file.farm);
    if printer.mode() != Mode::Human {
        return;
    }
    if let Some(address) = address(session, &file.farm).await {
        printer.result(format!("  address      {address}"));
    }
    if after_run {
        certificate(session, &file.farm).await;
        // That nobody is admitted is said beside the Manager's URL.
        if !inbound_rules(&file.farm).is_empty() {
            super::plan::access(session, &file.farm);
        }
        cost::present(session, &file.farm).await;
    }
    let resize = match (file.farm.pools.first(), file.farm.fleets.first()) {
        (None, Some(fleet)) => format!("{} --nodes N", fleet.name),
        (pool, _) => format!("{} --dedicated N --spot N", pool.map_or("POOL", |pool| pool.name.as_str())),
    };
    printer.info(format!("  resize       flamenco-azure scale {resize}"));
    printer.info("  stop paying  flamenco-azure pause      remove  flamenco-azure teardown");
    printer.warn("Flamenco has no login: whoever the access lists admit can run code on the workers");
}

/// Says how the web page is certified: a browser warns of a certificate of the Manager's own, and the fingerprint is
/// how to tell that it is the right one.
async fn certificate(session: &Session, farm: &Farm) {
    if !farm.is_public() || farm.manager.tls == Tls::Off {
        return;
    }
    let manager = session.manager(&manager_vm::spec::Names::of(farm).vm());
    match manager.tls().await {
        Ok(tls) if tls.is_own() => {
            let why = if tls.mode == "internal" { "" } else { " (no authority can reach it)" };
            session.printer.info(format!(
                "  certificate  the Manager's own{why}, sha256 {}: browsers warn; compare the fingerprint",
                tls.sha256
            ));
        }
        Ok(tls) => {
            let day = tls.not_after.split('T').next().unwrap_or_default();
            session.printer.info(format!("  certificate  {} until {day}", tls.issuer));
        }
        Err(error) => session.printer.warn(format!("the certificate could not be read: {error}")),
    }
}

async fn address(session: &Session, farm: &Farm) -> Option<String> {
    let id = manager_vm::spec::Names::of(farm).public_ip();
    let read = flamenco_azure_core::arm::Request::get(id.as_str()).api_version(manager_vm::wire::NETWORK_API);
    let body = session.client.get(&read).await.ok()??;
    Some(body.pointer("/properties/ipAddress")?.as_str()?.to_owned())
}
