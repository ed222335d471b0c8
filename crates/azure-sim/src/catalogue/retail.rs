//! `https://prices.azure.com/api/retail/prices`: the table of `prices` in the shape of the
//! Azure Retail Prices API (Microsoft Learn "Azure Retail Prices REST API overview").

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Value, json};

use super::prices::{self, Tier};
use super::{Location, Size, locations, sizes};
use crate::filter::Filter;
use crate::route::Request;
use crate::wire::SimResponse;

/// Items of one page.
const PAGE: usize = 1000;

struct Row {
    location: Location,
    service: &'static str,
    family: &'static str,
    product: String,
    sku: String,
    meter: String,
    arm_sku: String,
    unit: &'static str,
    micro_usd: u64,
}

/// Answers to keep: whole farms by the thousand ask for the same few.
const KEPT: usize = 64;

/// Prices are the same in every world, so an answer is made once.
static ANSWERS: LazyLock<Mutex<BTreeMap<BTreeMap<String, String>, SimResponse>>> =
    LazyLock::new(Mutex::default);

/// Answers for the host. No login is needed.
pub(crate) fn handle(request: &Request) -> SimResponse {
    if request.method != "GET" || !request.path.eq_ignore_ascii_case("/api/retail/prices") {
        return SimResponse::empty(404);
    }
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(answer) = answers.get(request.queries()) {
        return answer.clone();
    }
    if answers.len() >= KEPT {
        answers.clear();
    }
    let answer = list(request);
    answers.insert(request.queries().clone(), answer.clone());
    answer
}

fn list(request: &Request) -> SimResponse {
    let text = request.query("$filter").unwrap_or_default();
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(reason) => {
            let message = format!("Invalid OData parameters supplied: {reason}");
            return SimResponse::json(400, &json!({"Error": {"Code": "BadRequest", "Message": message}}));
        }
    };
    let skip: usize = request.query("$skip").and_then(|s| s.parse().ok()).unwrap_or(0);
    let mut items: Vec<Value> = Vec::new();
    let mut seen = 0_usize;
    for row in rows(&filter) {
        if !filter.admits(&|name| row.field(name)) {
            continue;
        }
        seen += 1;
        if seen > skip && items.len() < PAGE {
            items.push(row.item());
        }
    }
    let next = (seen > skip + PAGE).then(|| next_link(request, skip + PAGE));
    SimResponse::json(
        200,
        &json!({
            "BillingCurrency": "USD",
            "CustomerEntityId": "Retail",
            "CustomerEntityType": "Retail",
            "Count": items.len(),
            "Items": items,
            "NextPageLink": next,
        }),
    )
}

fn next_link(request: &Request, skip: usize) -> Option<String> {
    let mut url = url::Url::parse("https://prices.azure.com:443/api/retail/prices").ok()?;
    {
        let mut query = url.query_pairs_mut();
        for name in ["api-version", "currencycode", "meterregion", "$filter"] {
            if let Some(value) = request.query(name) {
                query.append_pair(name, value);
            }
        }
        query.append_pair("$skip", &skip.to_string());
    }
    Some(url.into())
}

/// All rows that the filter's plain conditions leave possible: it is asked for one region mostly.
fn rows(filter: &Filter) -> impl Iterator<Item = Row> {
    let region = filter.required("armRegionName").map(str::to_owned);
    let sku = filter.required("armSkuName").map(str::to_owned);
    let machines = filter.required("serviceName").map(|name| name == "Virtual Machines");
    locations().filter(move |l| region.as_deref().is_none_or(|name| name == l.name)).flat_map(move |l| {
        let sku = sku.clone();
        let wanted = move |s: &Size| sku.as_deref().is_none_or(|name| name == s.name);
        let sizes = sizes().filter(move |s| machines != Some(false) && wanted(s));
        let others = if machines == Some(true) { Vec::new() } else { other_rows(l) };
        sizes.flat_map(move |s| machine_rows(&s, l)).chain(others)
    })
}

fn machine_rows(size: &Size, location: Location) -> Vec<Row> {
    let short = size.name.trim_start_matches("Standard_").replace('_', " ");
    let series = size.family.name.trim_start_matches("standard").trim_start_matches("Standard ");
    let product = format!("Virtual Machines {} Series", series.trim_end_matches("Family").trim());
    let row = |windows: bool, suffix: &str, micro_usd: u64| Row {
        location,
        service: "Virtual Machines",
        family: "Compute",
        product: if windows { format!("{product} Windows") } else { product.clone() },
        sku: format!("{short}{suffix}"),
        meter: format!("{short}{suffix}"),
        arm_sku: size.name.to_owned(),
        unit: "1 Hour",
        micro_usd,
    };
    let mut found = vec![
        row(false, "", prices::machine(size, location, Tier::Dedicated)),
        row(true, "", prices::windows_machine(size, location, Tier::Dedicated)),
    ];
    if size.family.spot {
        let spot = prices::machine(size, location, Tier::Spot);
        let windows = prices::windows_machine(size, location, Tier::Spot);
        found.push(row(false, " Spot", spot));
        found.push(row(true, " Spot", windows));
        // Retired with the low-priority nodes, yet still listed by the real API.
        let full = prices::machine(size, location, Tier::Dedicated);
        found.push(row(false, " Low Priority", full / 5));
    }
    found
}

fn other_rows(location: Location) -> Vec<Row> {
    let row = |service, family, product: &str, sku: &str, meter: &str, unit, micro_usd| Row {
        location,
        service,
        family,
        product: product.to_owned(),
        sku: sku.to_owned(),
        meter: meter.to_owned(),
        arm_sku: String::new(),
        unit,
        micro_usd,
    };
    let address = "Standard IPv4 Static Public IP";
    let files = prices::premium_files_gib_month(location);
    let mut found = vec![
        row(
            "Virtual Network",
            "Networking",
            "IP Addresses",
            "Standard",
            address,
            "1 Hour",
            prices::PUBLIC_IP,
        ),
        row(
            "NAT Gateway",
            "Networking",
            "NAT Gateway",
            "Standard",
            "Standard Gateway",
            "1 Hour",
            prices::NAT_HOUR,
        ),
        row(
            "NAT Gateway",
            "Networking",
            "NAT Gateway",
            "Standard",
            "Standard Data Processed",
            "1 GB",
            prices::NAT_GB,
        ),
        row(
            "Storage",
            "Storage",
            "Premium Files",
            "Premium LRS",
            "Premium LRS Provisioned",
            "1 GiB/Month",
            files,
        ),
    ];
    for (tier, price) in prices::disks(location) {
        let product = match &tier[..1] {
            "P" => "Premium SSD Managed Disks",
            "E" => "Standard SSD Managed Disks",
            _ => "Standard HDD Managed Disks",
        };
        let sku = format!("{tier} LRS");
        let meter = format!("{tier} LRS Disk");
        found.push(row("Storage", "Storage", product, &sku, &meter, "1/Month", price));
    }
    found
}

impl Row {
    fn field(&self, name: &str) -> Option<String> {
        let text = match name {
            "armRegionName" => self.location.name,
            "location" => self.location.display,
            "serviceName" => self.service,
            "serviceFamily" => self.family,
            "productName" => &self.product,
            "skuName" => &self.sku,
            "meterName" => &self.meter,
            "armSkuName" => &self.arm_sku,
            "unitOfMeasure" => self.unit,
            "priceType" | "type" => "Consumption",
            "currencyCode" => "USD",
            "isPrimaryMeterRegion" => "true",
            _ => return None,
        };
        Some(text.to_owned())
    }

    fn item(&self) -> Value {
        let price = self.micro_usd as f64 / 1e6;
        // Ids are opaque; derived from the row they stay the same from call to call.
        let seed = format!("{}/{}/{}/{}", self.location.name, self.product, self.sku, self.meter);
        let meter_id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, seed.as_bytes());
        let product_id = &meter_id.simple().to_string().to_ascii_uppercase()[..8];
        json!({
            "currencyCode": "USD",
            "tierMinimumUnits": 0.0,
            "retailPrice": price,
            "unitPrice": price,
            "armRegionName": self.location.name,
            "location": self.location.display,
            "effectiveStartDate": format!("{}T00:00:00Z", prices::AS_OF),
            "meterId": meter_id,
            "meterName": self.meter,
            "productId": format!("DZH31{product_id}"),
            "skuId": format!("DZH31{product_id}/0001"),
            "productName": self.product,
            "skuName": self.sku,
            "serviceName": self.service,
            "serviceId": format!("DZH3{}", &product_id[..8]),
            "serviceFamily": self.family,
            "unitOfMeasure": self.unit,
            "type": "Consumption",
            "isPrimaryMeterRegion": true,
            "armSkuName": self.arm_sku,
        })
    }
}
