//! What a farm costs, from Azure's public retail prices: list prices in USD, without discounts or traffic.

use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::prices::{self, HOURS_PER_MONTH, PriceBook};
use flamenco_azure_core::spec::{Farm, Network, Priority, Storage};
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
            .chain(farm.fleets.iter().flat_map(|fleet| &fleet.placements).map(|one| one.vm_size.clone()))
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
        let size = match pool.autoscale {
            Some(_) => "by its formula".to_owned(),
            None => format!("{} + {} spot", pool.dedicated, pool.spot),
        };
        let what = format!("pool {}: {size} {}", pool.name, pool.vm_size);
        lines.push(line(what, Some(sum), 0.0));
    }
    lines.extend(farm.fleets.iter().map(|fleet| {
        // Nobody knows beforehand where nodes will be had: the best placement stands for all.
        let best = fleet.placements.first();
        let hourly = best.and_then(|best| match best.priority {
            Priority::Spot => book.spot_hour(&best.vm_size),
            Priority::Regular => book.vm_hour(&best.vm_size),
        });
        let what = best.map(|best| format!(" {} {}", best.priority, best.vm_size)).unwrap_or_default();
        let what = format!("pool {}: {}{what}", fleet.name, fleet.nodes);
        line(what, hourly.map(|price| price * f64::from(fleet.nodes)), 0.0)
    }));
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
    present_formulas(session, farm, book);
    present_fleets(session, farm, book);
}

/// What a pool may cost that Batch sizes by a formula: nobody else asks before it grows.
fn present_formulas(session: &Session, farm: &Farm, book: &PriceBook) {
    for pool in farm.pools.iter().filter(|pool| pool.autoscale.is_some()) {
        let most = |price: Option<f64>| price.map(|price| price * f64::from(pool.max_nodes));
        let (Some(dedicated), spot) =
            (most(book.vm_hour(&pool.vm_size)), most(book.spot_hour(&pool.vm_size)))
        else {
            continue;
        };
        let spot = spot.map(|spot| format!(", ${spot:.2} where they are Spot")).unwrap_or_default();
        session.printer.info(format!(
            "  pool {}: sized by its formula, not counted above: up to ${dedicated:.2} an hour with {} nodes \
             (`maxNodes`){spot}",
            pool.name, pool.max_nodes
        ));
    }
}

/// What a node of each pool of scale sets costs, and all of them at the start and at most.
fn present_fleets(session: &Session, farm: &Farm, book: &PriceBook) {
    for fleet in &farm.fleets {
        let Some(best) = fleet.placements.first() else { continue };
        let price = match best.priority {
            Priority::Spot => book.spot_hour(&best.vm_size),
            Priority::Regular => book.vm_hour(&best.vm_size),
        };
        let Some(price) = price else { continue };
        let (start, most) = (price * f64::from(fleet.nodes), price * f64::from(fleet.max_nodes));
        session.printer.info(format!(
            "  pool {}: about ${price:.3} a node-hour ({} {}): ${start:.2} an hour with {} nodes, ${most:.2} with {} \
             (`maxNodes`)",
            fleet.name, best.priority, best.vm_size, fleet.nodes, fleet.max_nodes
        ));
    }
}

/// Prints what a paused farm costs.
pub async fn present_idle(session: &Session, farm: &Farm) {
    let Some(book) = prices(session, farm).await else { return };
    let idle: f64 = bill(farm, book).iter().map(|line| line.idle).sum();
    session.printer.info(format!("  cost: about ${:.0} a month while paused", idle * HOURS_PER_MONTH));
}

/// One thing that exists and costs money.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// What it is.
    pub what: String,
    /// USD an hour, where the price is known.
    pub hourly: Option<f64>,
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.hourly {
            Some(price) => write!(f, "{} (${price:.3} an hour)", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// What exists of the farm and costs money.
pub fn existing(farm: &Farm, inventory: &Inventory, book: Option<&PriceBook>) -> Vec<Standing> {
    let names = Names::of(farm);
    let price = |of: &dyn Fn(&PriceBook) -> Option<f64>| book.and_then(of);
    let mut found = Vec::new();
    let mut add = |what: String, hourly: Option<f64>| found.push(Standing { what, hourly });
    if let Some(vm) = inventory.get(&names.vm()) {
        if !is_deallocated(vm) {
            add("Manager VM".to_owned(), price(&|book| book.vm_hour(&farm.manager.vm_size)));
        }
        add("Manager disk".to_owned(), price(&|book| Some(book.disk_month("E6")? / HOURS_PER_MONTH)));
    }
    for id in [names.public_ip(), names.nat_ip()] {
        if inventory.get(&id).is_some() {
            add(format!("address {}", id.name()), price(&PriceBook::public_ip_hour));
        }
    }
    if inventory.get(&names.nat()).is_some() {
        add("NAT gateway".to_owned(), price(&PriceBook::nat_hour));
    }
    if let Storage::Own { share_gib, .. } = farm.storage
        && storage_account(farm).is_some_and(|id| inventory.get(&id).is_some())
    {
        let monthly =
            |book: &PriceBook| Some(book.files_gib_month()? * f64::from(share_gib) / HOURS_PER_MONTH);
        add(format!("storage {share_gib} GiB"), price(&monthly));
    }
    for (name, counts) in crate::farm::pool_targets(farm, inventory) {
        if counts.total() > 0 {
            let size = farm.pool(&name).map(|pool| pool.vm_size.as_str()).unwrap_or_default();
            add(
                format!("pool {name}: {counts}"),
                price(&|book| pool_hour(book, size, counts.dedicated, counts.spot)),
            );
        }
    }
    for set in inventory.of_kind(vmss_scaler::wire::SCALE_SET) {
        let nodes = set.body.pointer("/sku/capacity").and_then(serde_json::Value::as_u64).unwrap_or(0);
        let ours = inventory.owner(set).as_deref() == Some(farm.name.as_str());
        if ours && nodes > 0 {
            let size = set.text("/sku/name").unwrap_or_default();
            let spot = set.text("/properties/virtualMachineProfile/priority") == Some("Spot");
            let hour = |book: &PriceBook| if spot { book.spot_hour(size) } else { book.vm_hour(size) };
            let all = |book: &PriceBook| Some(hour(book)? * nodes as f64);
            add(format!("scale set {}: {nodes} {size}", set.id.name()), price(&all));
        }
    }
    found
}

fn pool_hour(book: &PriceBook, size: &str, dedicated: u32, spot: u32) -> Option<f64> {
    let each =
        |count: u32, price: Option<f64>| if count == 0 { Some(0.0) } else { Some(price? * f64::from(count)) };
    Some(each(dedicated, book.vm_hour(size))? + each(spot, book.spot_hour(size))?)
}

/// USD an hour of what exists now; what has no known price counts as nothing.
pub fn now(farm: &Farm, inventory: &Inventory, book: &PriceBook) -> f64 {
    existing(farm, inventory, Some(book)).iter().filter_map(|standing| standing.hourly).sum()
}
