//! List prices from Azure's public price list (Microsoft's page "Azure Retail Prices REST API overview").
//!
//! All prices are `f64` US dollars, per hour unless a name says otherwise: pay-as-you-go list prices, without
//! discounts, reservations or traffic.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::arm::cloud::PRICES_ENDPOINT;
use crate::arm::{ArmClient, ArmError, Request};
use crate::ids::Location;

/// Hours that a month is billed as, on Azure's own price pages.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// The version whose filters are case-sensitive and whose items name their primary region.
const API_VERSION: &str = "2023-01-01-preview";

/// Prices of one region: pure lookups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceBook {
    dedicated: BTreeMap<String, f64>,
    spot: BTreeMap<String, f64>,
    public_ip: Option<f64>,
    nat: Option<f64>,
    files_gib_month: Option<f64>,
    disk_month: BTreeMap<String, f64>,
}

impl PriceBook {
    /// A Linux machine of this size, per hour.
    pub fn vm_hour(&self, size: &str) -> Option<f64> {
        self.dedicated.get(&size.to_ascii_lowercase()).copied()
    }

    /// A Linux spot machine of this size, per hour, at the time of asking: spot prices move.
    pub fn spot_hour(&self, size: &str) -> Option<f64> {
        self.spot.get(&size.to_ascii_lowercase()).copied()
    }

    /// A Standard static IPv4 address, per hour.
    pub fn public_ip_hour(&self) -> Option<f64> {
        self.public_ip
    }

    /// A NAT gateway, per hour, without the data it processes.
    pub fn nat_hour(&self) -> Option<f64> {
        self.nat
    }

    /// Premium file storage, locally redundant, per provisioned GiB and month.
    pub fn files_gib_month(&self) -> Option<f64> {
        self.files_gib_month
    }

    /// A locally redundant managed disk of this tier (`P10`, `E6`), per month.
    pub fn disk_month(&self, tier: &str) -> Option<f64> {
        self.disk_month.get(&tier.to_ascii_uppercase()).copied()
    }

    /// The book that the API's `items` make for `location` at `now`. Of several prices for one thing the valid one
    /// wins that is the region's own, from the primary meter region, and newest.
    pub fn from_items(location: &Location, items: &[Value], now: Timestamp) -> Self {
        let mut found: BTreeMap<Good, (Rank, f64)> = BTreeMap::new();
        for item in items {
            let Some((good, rank, price)) = read(item, location.as_str(), now) else { continue };
            let known = found.entry(good).or_insert((rank, price));
            if known.0 < rank {
                *known = (rank, price);
            }
        }
        let mut book = Self::default();
        for (good, (_, price)) in found {
            match good {
                Good::Dedicated(size) => drop(book.dedicated.insert(size, price)),
                Good::Spot(size) => drop(book.spot.insert(size, price)),
                Good::PublicIp => book.public_ip = Some(price),
                Good::Nat => book.nat = Some(price),
                Good::Files => book.files_gib_month = Some(price),
                Good::Disk(tier) => drop(book.disk_month.insert(tier, price)),
            }
        }
        book
    }
}

/// What a price is for. Sizes in lower case, tiers in upper case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Good {
    Dedicated(String),
    Spot(String),
    PublicIp,
    Nat,
    Files,
    Disk(String),
}

/// Which of several prices holds: the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    own_region: bool,
    primary: bool,
    since: Timestamp,
}

fn read(item: &Value, location: &str, now: Timestamp) -> Option<(Good, Rank, f64)> {
    let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("type") != "Consumption"
        || item.get("tierMinimumUnits").and_then(Value::as_f64).unwrap_or(0.0) > 0.0
    {
        return None;
    }
    let since: Timestamp = text("effectiveStartDate").parse().unwrap_or(Timestamp::UNIX_EPOCH);
    // Addresses and gateways are priced once for all regions in some versions of the list.
    let region = text("armRegionName");
    let own_region = region.eq_ignore_ascii_case(location);
    if since > now || !(own_region || region.is_empty() || region.eq_ignore_ascii_case("Global")) {
        return None;
    }
    let price = item.get("retailPrice").or_else(|| item.get("unitPrice"))?.as_f64()?;
    let primary = item.get("isPrimaryMeterRegion").and_then(Value::as_bool).unwrap_or(true);
    Some((good(&text)?, Rank { own_region, primary, since }, price))
}

fn good<'a>(text: &impl Fn(&str) -> &'a str) -> Option<Good> {
    let (product, sku, meter, unit) =
        (text("productName"), text("skuName"), text("meterName"), text("unitOfMeasure"));
    let hourly = unit == "1 Hour";
    match text("serviceName") {
        "Virtual Machines" if hourly => {
            let other = product.ends_with(" Windows")
                || product.contains("CloudServices")
                || product.contains("Cloud Services");
            if other || product.contains("Dedicated Host") || text("armSkuName").is_empty() {
                return None;
            }
            let size = text("armSkuName").to_ascii_lowercase();
            let ends = |suffix: &str| sku.ends_with(suffix) || meter.ends_with(suffix);
            match (ends(" Low Priority"), ends(" Spot")) {
                (true, _) => None,
                (false, true) => Some(Good::Spot(size)),
                (false, false) => Some(Good::Dedicated(size)),
            }
        }
        "Virtual Network"
            if hourly && product == "IP Addresses" && meter == "Standard IPv4 Static Public IP" =>
        {
            Some(Good::PublicIp)
        }
        "NAT Gateway" | "Virtual Network"
            if hourly && product == "NAT Gateway" && meter == "Standard Gateway" =>
        {
            Some(Good::Nat)
        }
        "Storage"
            if product == "Premium Files" && sku == "Premium LRS" && meter == "Premium LRS Provisioned" =>
        {
            Some(Good::Files)
        }
        "Storage" if product.ends_with("Managed Disks") && unit == "1/Month" => {
            let tier = sku.strip_suffix(" LRS")?;
            (meter == format!("{sku} Disk")).then(|| Good::Disk(tier.to_ascii_uppercase()))
        }
        _ => None,
    }
}

/// Reads what a farm in `location` with machines of these sizes is made of. Sizes in Azure's own spelling: the API
/// compares with case. Needs no sign-in.
pub async fn fetch(client: &ArmClient, location: &Location, sizes: &[String]) -> Result<PriceBook, ArmError> {
    let any = |field: &str, values: &mut dyn Iterator<Item = &str>| {
        let tests: Vec<String> =
            values.map(|value| format!("{field} eq '{}'", value.replace('\'', "''"))).collect();
        format!("({})", tests.join(" or "))
    };
    let here = format!("armRegionName eq '{location}'");
    let everywhere = any("armRegionName", &mut [location.as_str(), "Global", ""].into_iter());
    let products = ["Premium Files", "Premium SSD Managed Disks", "Standard SSD Managed Disks"];
    let mut filters = vec![
        format!("{everywhere} and {}", any("productName", &mut ["IP Addresses", "NAT Gateway"].into_iter())),
        format!("{here} and serviceName eq 'Storage' and {}", any("productName", &mut products.into_iter())),
    ];
    if !sizes.is_empty() {
        let sizes = any("armSkuName", &mut sizes.iter().map(String::as_str));
        filters.push(format!("serviceName eq 'Virtual Machines' and {here} and {sizes}"));
    }
    let mut items = Vec::new();
    for filter in filters {
        let request = Request::get("/api/retail/prices")
            .public(PRICES_ENDPOINT)
            .query("currencyCode", "USD")
            .query("$filter", format!("{filter} and priceType eq 'Consumption'"))
            .api_version(API_VERSION);
        items.extend(client.list(&request).await?);
    }
    Ok(PriceBook::from_items(location, &items, client.clock().now()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(changes: &Value) -> Value {
        let mut item = json!({"type": "Consumption", "armRegionName": "westeurope", "serviceName": "Virtual Machines",
            "productName": "Virtual Machines Dasv6 Series", "skuName": "D8as v6", "meterName": "D8as v6",
            "armSkuName": "Standard_D8as_v6", "unitOfMeasure": "1 Hour", "retailPrice": 0.4, "tierMinimumUnits": 0.0,
            "effectiveStartDate": "2025-01-01T00:00:00Z", "isPrimaryMeterRegion": true});
        for (key, value) in changes.as_object().unwrap() {
            item[key] = value.clone();
        }
        item
    }

    fn book(items: &[Value]) -> PriceBook {
        let now = "2026-11-21T08:00:00Z".parse().unwrap();
        PriceBook::from_items(&"westeurope".parse().unwrap(), items, now)
    }

    #[test]
    fn spot_windows_low_priority_and_future_prices_are_told_apart() {
        let distractions = [
            json!({"skuName": "D8as v6 Low Priority", "retailPrice": 9.0}),
            json!({"productName": "Virtual Machines Dasv6 Series Windows", "retailPrice": 9.0}),
            json!({"productName": "Dasv6 Series Dedicated Host", "retailPrice": 9.0}),
            json!({"productName": "Dasv6 Series Cloud Services", "retailPrice": 9.0}),
            json!({"type": "Reservation", "retailPrice": 9.0}),
            json!({"type": "DevTestConsumption", "retailPrice": 9.0}),
            json!({"effectiveStartDate": "2027-01-01T00:00:00Z", "retailPrice": 9.0}),
            json!({"armRegionName": "eastus", "retailPrice": 9.0}),
            json!({"isPrimaryMeterRegion": false, "retailPrice": 9.0}),
            json!({"effectiveStartDate": "2024-01-01T00:00:00Z", "retailPrice": 9.0}),
        ];
        let mut items: Vec<Value> = distractions.iter().map(item).collect();
        items.push(item(&json!({})));
        items
            .push(item(&json!({"skuName": "D8as v6 Spot", "meterName": "D8as v6 Spot", "retailPrice": 0.1})));
        for _ in 0..items.len() {
            items.rotate_left(1); // whatever the order
            let book = book(&items);
            assert_eq!(book.vm_hour("STANDARD_D8AS_V6"), Some(0.4));
            assert_eq!(book.spot_hour("Standard_D8as_v6"), Some(0.1));
        }
    }

    #[test]
    fn the_farms_other_parts_are_found_and_what_is_missing_is_none() {
        let items = [
            json!({"serviceName": "Virtual Network", "productName": "IP Addresses", "skuName": "Standard", "armSkuName": "",
                "meterName": "Standard IPv4 Static Public IP", "armRegionName": "", "retailPrice": 0.005}),
            json!({"serviceName": "NAT Gateway", "productName": "NAT Gateway", "skuName": "Standard", "armSkuName": "",
                "meterName": "Standard Gateway", "armRegionName": "Global", "retailPrice": 0.045}),
            json!({"serviceName": "NAT Gateway", "productName": "NAT Gateway", "skuName": "Standard", "armSkuName": "",
                "meterName": "Standard Data Processed", "unitOfMeasure": "1 GB", "retailPrice": 9.0}),
            json!({"serviceName": "Storage", "productName": "Premium Files", "skuName": "Premium LRS", "armSkuName": "",
                "meterName": "Premium LRS Provisioned", "unitOfMeasure": "1 GiB/Month", "retailPrice": 0.16}),
            json!({"serviceName": "Storage", "productName": "Standard SSD Managed Disks", "skuName": "E6 LRS", "armSkuName": "",
                "meterName": "E6 LRS Disk", "unitOfMeasure": "1/Month", "retailPrice": 4.8}),
            json!({"serviceName": "Storage", "productName": "Standard SSD Managed Disks", "skuName": "E6 LRS", "armSkuName": "",
                "meterName": "E6 LRS Disk Mount", "unitOfMeasure": "1/Month", "retailPrice": 9.0}),
        ];
        let book = book(&items.iter().map(item).collect::<Vec<_>>());
        assert_eq!(book.public_ip_hour(), Some(0.005));
        assert_eq!(book.nat_hour(), Some(0.045));
        assert_eq!(book.files_gib_month(), Some(0.16));
        assert_eq!(book.disk_month("e6"), Some(4.8));
        assert_eq!((book.disk_month("P10"), book.vm_hour("Standard_D2s_v5")), (None, None));
    }
}
