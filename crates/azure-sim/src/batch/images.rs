//! Images that Batch supports, with their node agents (supportedimages; Microsoft Learn, 2026).

use serde_json::{Value, json};

/// (publisher, offer, sku, node agent, end of support)
const IMAGES: &[(&str, &str, &str, &str, Option<&str>)] = &[
    ("canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04", None),
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "batch.node.ubuntu 22.04", Some("2027-06-30")),
    (
        "canonical",
        "0001-com-ubuntu-server-jammy",
        "22_04-lts-gen2",
        "batch.node.ubuntu 22.04",
        Some("2027-06-30"),
    ),
    ("microsoft-dsvm", "ubuntu-hpc", "2404", "batch.node.ubuntu 24.04", None),
    ("microsoft-dsvm", "ubuntu-hpc", "2204", "batch.node.ubuntu 22.04", Some("2027-06-30")),
    ("almalinux", "almalinux-x86_64", "9-gen2", "batch.node.el 9", None),
    ("microsoftwindowsserver", "windowsserver", "2022-datacenter", "batch.node.windows amd64", None),
];

/// Why an image with a node agent is refused: the offending property and the reason.
pub(super) fn refuse(image: &Value, agent: &str) -> Option<(&'static str, String)> {
    let known_agent = IMAGES.iter().any(|row| row.3 == agent);
    if let Some(id) = image.get("id").or_else(|| image.get("virtualMachineImageId")).and_then(Value::as_str) {
        if !id.to_ascii_lowercase().contains("/providers/microsoft.compute/galleries/") {
            return Some(("virtualMachineImageId", "The specified resource id must be of the format /subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/galleries/{galleryName}/images/{galleryImageName}/versions/{galleryImageVersionName} or /subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/galleries/{galleryName}/images/{galleryImageName}".to_owned()));
        }
        return (!known_agent)
            .then(|| ("nodeAgentSkuId", format!("The specified nodeAgentSKUId {agent} is not supported.")));
    }
    let text = |name: &str| image.get(name).and_then(Value::as_str).unwrap_or_default();
    let (publisher, offer, sku) = (text("publisher"), text("offer"), text("sku"));
    let found = IMAGES.iter().find(|row| {
        row.0.eq_ignore_ascii_case(publisher)
            && row.1.eq_ignore_ascii_case(offer)
            && row.2.eq_ignore_ascii_case(sku)
    });
    match found {
        None => Some((
            "imageReference",
            format!(
                "The specified imageReference with publisher {publisher} offer {offer} sku {sku} is not supported."
            ),
        )),
        Some(row) if row.3 != agent => Some((
            "nodeAgentSkuId",
            format!("The specified nodeAgentSKUId {agent} does not match the image: use {}.", row.3),
        )),
        Some(_) => None,
    }
}

/// The items of `supportedimages`.
pub(super) fn items() -> Vec<Value> {
    let item = |row: &(&str, &str, &str, &str, Option<&str>)| {
        let mut item = json!({
            "imageReference": {"publisher": row.0, "offer": row.1, "sku": row.2, "version": "latest"},
            "verificationType": "verified",
            "nodeAgentSKUId": row.3,
            "osType": if row.3.contains("windows") { "windows" } else { "linux" },
        });
        if let Some(day) = row.4 {
            item["batchSupportEndOfLife"] = json!(format!("{day}T00:00:00Z"));
        }
        item
    };
    IMAGES.iter().map(item).collect()
}
