//! The retail prices host.

use azure_sim::SimRequest;
use serde_json::{Value, json};

use crate::support::*;

fn ask(world: &mut azure_sim::World, filter: &str) -> Value {
    let mut url: url::Url =
        "https://prices.azure.com/api/retail/prices?api-version=2023-01-01-preview".parse().unwrap();
    url.query_pairs_mut().append_pair("$filter", filter);
    let response = world.handle(&SimRequest::new("GET", url));
    assert_eq!(response.status, 200);
    response.json_body()
}

#[test]
fn one_size_has_linux_windows_and_spot_rows() {
    let mut w = world();
    let body = ask(
        &mut w,
        "serviceName eq 'Virtual Machines' and armRegionName eq 'westeurope' and armSkuName eq 'Standard_D8as_v6' and priceType eq 'Consumption'",
    );
    let items = body["Items"].as_array().unwrap();
    assert_eq!((body["Count"].clone(), body["NextPageLink"].clone()), (json!(items.len()), json!(null)));
    let plain = |suffix: &str, windows: bool| {
        let fits = |i: &&Value| {
            i["skuName"] == format!("D8as v6{suffix}")
                && i["productName"].as_str().unwrap().ends_with(" Windows") == windows
        };
        items.iter().find(fits).unwrap()["retailPrice"].as_f64().unwrap()
    };
    assert!(plain(" Spot", false) < plain("", false) && plain("", false) < plain("", true));
}

#[test]
fn other_meters_of_the_farm_are_there() {
    let mut w = world();
    for filter in [
        "armRegionName eq 'westeurope' and meterName eq 'Standard IPv4 Static Public IP'",
        "armRegionName eq 'westeurope' and serviceName eq 'NAT Gateway' and meterName eq 'Standard Gateway'",
        "armRegionName eq 'westeurope' and productName eq 'Premium Files'",
        "armRegionName eq 'westeurope' and (skuName eq 'E10 LRS' or skuName eq 'nothing')",
    ] {
        assert_eq!(ask(&mut w, filter)["Count"], 1, "{filter}");
    }
}

#[test]
fn pages_of_a_thousand_follow_the_link_to_the_end() {
    let mut w = world();
    let mut body = ask(&mut w, "serviceName eq 'Virtual Machines' and contains(skuName,'Spot')");
    let mut total = 0;
    loop {
        total += body["Items"].as_array().unwrap().len();
        let Some(next) = body["NextPageLink"].as_str() else { break };
        assert_eq!(body["Count"], 1000);
        body = w.handle(&SimRequest::new("GET", next.parse().unwrap())).json_body();
    }
    let spot = azure_sim::catalogue::sizes().filter(|s| s.family.spot).count();
    assert_eq!(total, 2 * spot * azure_sim::catalogue::locations().count());
}
