//! What Azure says to `init`: subscriptions, regions, and whether a name or a group can be used.

use batch_pool::wire::{ACCOUNT, BATCH_API};
use flamenco_azure_core::arm::{ArmClient, ArmError, Request};
use flamenco_azure_core::ids::{Location, ResourceId, SubscriptionId};
use manager_vm::wire::{self, RESOURCES_API};
use serde_json::Value;

use super::draft::Refusal;
use super::field::Field;
use crate::ask::Choice;
use crate::preflight::{self, SUBSCRIPTIONS_API};
/// A subscription that the sign-in sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) name: String,
    /// `Enabled`, `Disabled`, `Warned`, …
    pub(super) state: String,
}

/// A region of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) name: String,
    pub(super) display: String,
    recommended: bool,
}

fn text(item: &Value, pointer: &str) -> String {
    item.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The subscriptions that the sign-in sees, by name.
pub(super) async fn subscriptions(client: &ArmClient) -> Result<Vec<Subscription>, ArmError> {
    let items = client.list(&Request::get("/subscriptions").api_version(SUBSCRIPTIONS_API)).await?;
    let read = |item: &Value| Subscription {
        id: text(item, "/subscriptionId"),
        name: text(item, "/displayName"),
        state: text(item, "/state"),
    };
    let mut all: Vec<_> = items.iter().map(read).collect();
    all.sort_by_key(|subscription| (subscription.name.to_lowercase(), subscription.id.clone()));
    Ok(all)
}

/// The regions where a subscription can have machines, those that Azure recommends first.
pub(super) async fn regions(client: &ArmClient, subscription: &str) -> Result<Vec<Region>, ArmError> {
    let path = format!("/subscriptions/{subscription}/locations");
    Ok(read_regions(&client.list(&Request::get(path).api_version(SUBSCRIPTIONS_API)).await?))
}

fn read_regions(items: &[Value]) -> Vec<Region> {
    // Logical locations (`europe`, `global`) hold no machines.
    let physical = items.iter().filter(|item| text(item, "/metadata/regionType") != "Logical");
    let read = |item: &Value| Region {
        name: text(item, "/name"),
        display: text(item, "/displayName"),
        recommended: text(item, "/metadata/regionCategory") == "Recommended",
    };
    let mut all: Vec<_> = physical.map(read).collect();
    all.sort_by_key(|region| (!region.recommended, region.display.clone()));
    all
}

/// Subscriptions as choices.
pub(super) fn subscription_choices(all: &[Subscription]) -> Vec<Choice> {
    let state = |s: &Subscription| {
        if s.state == "Enabled" { String::new() } else { format!(" [{}]", s.state.to_lowercase()) }
    };
    all.iter()
        .map(|s| Choice {
            label: format!("{}  ({}){}", s.name, s.id, state(s)),
            names: vec![s.id.clone(), s.name.clone()],
        })
        .collect()
}

/// Regions as choices.
pub(super) fn region_choices(all: &[Region]) -> Vec<Choice> {
    all.iter()
        .map(|r| Choice {
            label: format!("{}  ({})", r.display, r.name),
            names: vec![r.name.clone(), r.display.clone()],
        })
        .collect()
}

/// The subscription meant by an id or a name.
pub(super) fn find_subscription<'a>(
    all: &'a [Subscription],
    answer: &str,
) -> Result<&'a Subscription, Refusal> {
    let same = |s: &&Subscription| s.id.eq_ignore_ascii_case(answer) || s.name.eq_ignore_ascii_case(answer);
    let matching: Vec<_> = all.iter().filter(same).collect();
    let listed = "`az account list --output table` lists them; `az login --tenant …` signs in elsewhere";
    match matching.as_slice() {
        [one] if one.state == "Disabled" || one.state == "Deleted" => Err(Refusal::new(
            format!("subscription `{}` is {}", one.name, one.state.to_lowercase()),
            "enable it in the Azure portal, or use another one",
        )),
        [one] => Ok(one),
        [] => Err(Refusal::new(format!("this sign-in sees no subscription `{answer}`"), listed)),
        _ => Err(Refusal::new(format!("several subscriptions are named `{answer}`"), "give the id instead")),
    }
}

/// The region meant by a name or a display name.
pub(super) fn find_region<'a>(all: &'a [Region], answer: &str) -> Result<&'a Region, Refusal> {
    let plain = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
    let wanted = plain(answer);
    all.iter().find(|region| region.name == wanted || plain(&region.display) == wanted).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|region| region.name.as_str()).collect();
        let remedy = match preflight::nearest(&wanted, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`az account list-locations --output table` lists them".to_owned(),
        };
        Refusal::new(format!("the subscription has no region `{answer}`"), remedy)
    })
}

/// Where names are judged.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) subscription: SubscriptionId,
    pub(super) location: Location,
    /// The farm's group; what is in it already is no obstacle.
    pub(super) group: String,
}

/// Why a name cannot be used; `None` when it can. A name that the farm's own group holds already can.
pub(super) async fn obstacle(
    client: &ArmClient,
    place: &Place,
    field: Field,
    name: &str,
) -> Result<Option<String>, ArmError> {
    let Place { subscription, location, group } = place;
    let group = ResourceId::group(subscription, group);
    let (why, own) = match field {
        Field::Group => return elsewhere(client, &ResourceId::group(subscription, name), location).await,
        Field::Storage => {
            let own = group.resource(wire::STORAGE, name);
            (preflight::storage_name_taken(client, subscription, name).await?, (own, wire::STORAGE_API))
        }
        Field::Batch => {
            let own = group.resource(ACCOUNT, name);
            (preflight::batch_name_taken(client, subscription, location, name).await?, (own, BATCH_API))
        }
        Field::Vm => {
            let own = group.resource(wire::VM, name);
            (
                preflight::dns_label_taken(client, subscription, location, name).await?,
                (own, wire::COMPUTE_API),
            )
        }
        _ => return Ok(None),
    };
    let Some(why) = why else { return Ok(None) };
    let (own, api) = own;
    let there = client.get(&Request::get(own.as_str()).api_version(api)).await?;
    Ok(there.is_none().then(|| format!("`{name}` is taken: {}", why.trim_end_matches('.'))))
}

async fn elsewhere(
    client: &ArmClient,
    group: &ResourceId,
    location: &Location,
) -> Result<Option<String>, ArmError> {
    let Some(found) = client.get(&Request::get(group.as_str()).api_version(RESOURCES_API)).await? else {
        return Ok(None);
    };
    let there = text(&found, "/location");
    let same = there.parse::<Location>().is_ok_and(|there| there == *location);
    Ok((!same).then(|| {
        format!("resource group `{}` is in {there}, and the farm is to be in {location}", group.name())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn logical_regions_are_not_offered_and_recommended_ones_come_first() {
        let region = |name: &str, kind: &str, category: &str| json!({"name": name, "displayName": name, "metadata": {"regionType": kind, "regionCategory": category}});
        let all = read_regions(&[
            region("brazilus", "Physical", "Other"),
            region("europe", "Logical", "Other"),
            region("westeurope", "Physical", "Recommended"),
        ]);
        assert_eq!(all.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["westeurope", "brazilus"]);
    }

    #[test]
    fn a_subscription_is_found_by_id_or_by_a_name_that_only_one_has() {
        let of = |id: &str, name: &str, state: &str| Subscription {
            id: id.into(),
            name: name.into(),
            state: state.into(),
        };
        let all = [of("a1", "Film", "Enabled"), of("b2", "Film", "Enabled"), of("c3", "Ads", "Disabled")];
        assert_eq!(find_subscription(&all, "B2").unwrap().id, "b2");
        assert!(find_subscription(&all, "film").unwrap_err().why.contains("several"));
        assert!(find_subscription(&all, "ads").unwrap_err().why.contains("disabled"));
        assert!(find_subscription(&all, "zz").unwrap_err().why.contains("no subscription"));
    }

    #[test]
    fn a_region_is_found_by_either_name_and_a_typo_gets_its_neighbour() {
        let all = [Region { name: "westeurope".into(), display: "West Europe".into(), recommended: true }];
        assert_eq!(find_region(&all, "west Europe").unwrap().name, "westeurope");
        assert!(find_region(&all, "westeurop").unwrap_err().remedy.contains("`westeurope`"));
    }
}
