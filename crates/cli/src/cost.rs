//! What a farm costs, from Azure's public retail prices: list prices in USD, without discounts or traffic.

use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::prices::{self, HOURS_PER_MONTH, PriceBook};
use flamenco_azure_core::spec::{Farm, Network, Storage};
use manager_vm::observe::is_deallocated;
use manager_vm::spec::{Names, storage_account};
use serde_json::json;

use crate::printer::Mode;
use crate::session::Session;

/// One line of a bill.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What is paid for.
    pub what: String,
    /// USD an hour while the farm is at its wanted size.
    pub running: f64,
    /// USD an hour while it is paused.
    pub idle: f64,
}

/// Reads the prices of the farm's region; `None` when they cannot be had (nothing depends on them).
pub async fn prices<'a>(session: &'a Session, farm: &Farm) -> Option<&'a PriceBook> {
    let read = async || {
        let sizes: Vec<String> = std::iter::once(farm.manager.vm_size.clone())
            .chain(farm.pools.iter().map(|pool| pool.vm_size.clone()))
            .collect();
        prices::fetch(&session.client, &farm.location, &sizes).await.ok()
    };
    session.prices.get_or_init(read).await.as_ref()
}

/// The bill of the farm as the farm file wants it.
pub fn bill(farm: &Farm, book: &PriceBook) -> Vec<Line> {
    let line =
        |what: String, running: Option<f64>, idle: f64| Line { what, running: running.unwrap_or(0.0), idle };
    let mut lines = vec![
        line(format!("Manager {}", farm.manager.vm_size), book.vm_hour(&farm.manager.vm_size), 0.0),
        disk(book),
    ];
    if let Storage::Own { share_gib, .. } = farm.storage {
        let hourly = book.files_gib_month().map(|price| price * f64::from(share_gib) / HOURS_PER_MONTH);
        lines.push(line(format!("storage {share_gib} GiB"), hourly, hourly.unwrap_or(0.0)));
    }
    let own = matches!(farm.network, Network::Own { .. });
    let addresses = u32::from(farm.is_public()) + u32::from(own);
    let ip = book.public_ip_hour().map(|price| price * f64::from(addresses));
    lines.push(line(format!("{addresses} public addresses"), ip, ip.unwrap_or(0.0)));
    if own {
        lines.push(line("NAT gateway".to_owned(), book.nat_hour(), 0.0));
    }
    for pool in &farm.pools {
        let dedicated = book.vm_hour(&pool.vm_size).map(|price| price * f64::from(pool.dedicated));
        let spot = book.spot_hour(&pool.vm_size).map(|price| price * f64::from(pool.spot));
        let sum = dedicated.unwrap_or(0.0) + spot.unwrap_or(0.0);
        let what = format!("pool {}: {} + {} spot {}", pool.name, pool.dedicated, pool.spot, pool.vm_size);
        lines.push(line(what, Some(sum), 0.0));
    }
    lines
}

fn disk(book: &PriceBook) -> Line {
    let hourly = book.disk_month("E6").unwrap_or(0.0) / HOURS_PER_MONTH;
    Line { what: "Manager disk".to_owned(), running: hourly, idle: hourly }
}

/// Prints cost at the wanted size and when paused.
pub async fn present(session: &Session, farm: &Farm) {
    let Some(book) = prices(session, farm).await else {
        session.printer.info("  cost: the price list could not be read; `flamenco-azure plan` tries again");
        return;
    };
    let lines = bill(farm, book);
    let running: f64 = lines.iter().map(|line| line.running).sum();
    let idle: f64 = lines.iter().map(|line| line.idle).sum();
    if session.printer.mode() == Mode::Json {
        session
            .printer
            .event("cost", json!({"hourlyUsd": running, "pausedMonthlyUsd": idle * HOURS_PER_MONTH}));
        return;
    }
    session.printer.info(format!(
        "  cost: about ${running:.2} an hour at this size, ${:.0} a month while paused (list prices, without traffic)",
        idle * HOURS_PER_MONTH
    ));
}

/// Prints what a paused farm costs.
pub async fn present_idle(session: &Session, farm: &Farm) {
    let Some(book) = prices(session, farm).await else { return };
    let idle: f64 = bill(farm, book).iter().map(|line| line.idle).sum();
    session.printer.info(format!("  cost: about ${:.0} a month while paused", idle * HOURS_PER_MONTH));
}

/// What exists of the farm and costs money, for people.
pub fn existing(farm: &Farm, inventory: &Inventory, book: Option<&PriceBook>) -> Vec<String> {
    let priced = |what: String, price: Option<f64>| match price {
        Some(price) => format!("{what} (${price:.3} an hour)"),
        None => what,
    };
    let names = Names::of(farm);
    let mut found = Vec::new();
    if inventory.get(&names.vm()).is_some_and(|vm| !is_deallocated(vm)) {
        found.push(priced("Manager VM".to_owned(), book.and_then(|b| b.vm_hour(&farm.manager.vm_size))));
    }
    for id in [names.public_ip(), names.nat_ip()] {
        if inventory.get(&id).is_some() {
            found.push(priced(format!("address {}", id.name()), book.and_then(PriceBook::public_ip_hour)));
        }
    }
    if inventory.get(&names.nat()).is_some() {
        found.push(priced("NAT gateway".to_owned(), book.and_then(PriceBook::nat_hour)));
    }
    if let (Some(id), Storage::Own { share_gib, .. }) = (storage_account(farm), &farm.storage)
        && inventory.get(&id).is_some()
    {
        let price =
            book.and_then(PriceBook::files_gib_month).map(|p| p * f64::from(*share_gib) / HOURS_PER_MONTH);
        found.push(priced(format!("storage {share_gib} GiB"), price));
    }
    for (name, counts) in crate::farm::pool_targets(farm, inventory) {
        if counts.total() > 0 {
            let size = farm.pool(&name).map(|pool| pool.vm_size.as_str()).unwrap_or_default();
            let price = book.and_then(|b| Some(b.vm_hour(size)? * f64::from(counts.total())));
            found.push(priced(format!("pool {name}: {counts}"), price));
        }
    }
    found
}

/// USD an hour of what exists now.
pub fn now(farm: &Farm, inventory: &Inventory, book: &PriceBook) -> f64 {
    let mut farm = farm.clone();
    let targets = crate::farm::pool_targets(&farm, inventory);
    for pool in &mut farm.pools {
        let count = targets.get(&pool.name).copied().unwrap_or_default();
        (pool.dedicated, pool.spot) = (count.dedicated, count.spot);
    }
    let running = inventory.get(&Names::of(&farm).vm()).is_some_and(|vm| !is_deallocated(vm));
    bill(&farm, book).iter().map(|line| if running { line.running } else { line.idle }).sum()
}
