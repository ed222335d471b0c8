//! A scaler that stands alone, by the real binary: what it puts out, and that the same file runs it.

use azure_sim::{Resource, Tags};
use serde_json::json;

use crate::support::{Place, SUBSCRIPTION};

/// The file that users begin with.
const EXAMPLE: &str = include_str!("../../../../examples/scaler.yaml");

fn place() -> Place {
    let place = Place::with(|world| {
        let now = world.now();
        for (group, kind, name) in [
            ("net-rg", "Microsoft.Network/virtualNetworks", "studio"),
            ("images-rg", "Microsoft.Compute/images", "centos-render"),
        ] {
            world.add_group(group, "westeurope", Tags::new());
            let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/{kind}/{name}");
            let mut resource = Resource::new(&id, kind, now);
            resource.location = Some("westeurope".to_owned());
            resource.properties = json!({"addressSpace": {"addressPrefixes": ["10.7.0.0/16"]}});
            world.add_foreign(resource);
            if group == "net-rg" {
                let kind = "Microsoft.Network/virtualNetworks/subnets";
                let mut subnet = Resource::new(&format!("{id}/subnets/render"), kind, now);
                subnet.properties = json!({"addressPrefix": "10.7.1.0/24"});
                world.add_foreign(subnet);
            }
        }
        world.set_limit("westeurope", "lowPriorityCores", 400);
    });
    let text = EXAMPLE.replace("00000000-0000-4000-8000-000000000000", SUBSCRIPTION);
    place.write("scaler.yaml", &text.replace("nodes: 0", "nodes: 3"));
    place
}

#[test]
fn a_scaler_alone_says_how_to_reach_it_and_runs_from_the_same_file() {
    let place = place();
    let first = place.simulate("scaler deploy scaler.yaml --yes");
    first.said(0, &["ssh azureuser@10.7.1.", "resource group  burst-rg", "location        westeurope"]);
    place.simulate("scaler deploy scaler.yaml --yes").said(0, &["nothing to do", "ssh azureuser@10.7.1."]);
    place.simulate("scaler run --file scaler.yaml").said(0, &["3 of 3 nodes up"]);
    place.simulate("scaler status --file scaler.yaml").said(0, &["pool `render`: 3 ready", "says 3"]);
    place.simulate("scaler remove scaler.yaml --yes").ended(0, &["removed in"]);
    assert_eq!(place.world().resources().len(), 3, "{}", place.holdings());
}
