//! The price list over the wire.

use flamenco_azure_core::prices;
use serde_json::json;

use crate::common::{Script, answer, client};

#[tokio::test(start_paused = true)]
async fn prices_are_read_without_a_token_page_by_page() {
    let machine = |sku: &str, price: f64| {
        json!({"type": "Consumption", "serviceName": "Virtual Machines", "productName": "Virtual Machines Dasv6 Series",
            "armRegionName": "westeurope", "armSkuName": "Standard_D8as_v6", "skuName": sku, "meterName": sku, "unitOfMeasure": "1 Hour",
            "retailPrice": price, "effectiveStartDate": "2025-01-01T00:00:00Z", "tierMinimumUnits": 0.0})
    };
    let next = "https://prices.azure.com:443/api/retail/prices?$filter=x&$skip=1000";
    let script = Script::new(vec![
        answer(200, json!({"Items": [], "NextPageLink": null})),
        answer(200, json!({"Items": [], "NextPageLink": null})),
        answer(200, json!({"Items": [machine("D8as v6", 0.4)], "NextPageLink": next})),
        answer(200, json!({"Items": [machine("D8as v6 Spot", 0.1)], "NextPageLink": null})),
    ]);
    let sizes = ["Standard_D8as_v6".to_owned(), "Standard_B2s".to_owned()];
    let book = prices::fetch(&client(&script), &"westeurope".parse().unwrap(), &sizes).await.unwrap();
    assert_eq!(
        (book.vm_hour("Standard_D8as_v6"), book.spot_hour("Standard_D8as_v6")),
        (Some(0.4), Some(0.1))
    );
    assert_eq!(book.vm_hour("Standard_B2s"), None);
    let sent = script.sent();
    assert!(
        sent.iter()
            .all(|sent| sent.url.starts_with("https://prices.azure.com/") && sent.authorization.is_none())
    );
    let url = url::Url::parse(&sent[2].url).unwrap();
    let filter = url.query_pairs().find(|(key, _)| key == "$filter").unwrap().1.into_owned();
    assert_eq!(
        filter,
        "serviceName eq 'Virtual Machines' and armRegionName eq 'westeurope' and (armSkuName eq 'Standard_D8as_v6' or armSkuName eq 'Standard_B2s') and priceType eq 'Consumption'"
    );
}
