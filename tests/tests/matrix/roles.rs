//! `PrincipalNotFound` where it belongs: a role for an identity that was made a moment ago. No command assigns roles, so
//! this asks the client that would.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_sim::{Action, Fault, Match, SimTransport, World, WorldConfig};
use flamenco_azure_core::arm::{ArmClient, ArmOptions, Cloud, Kind, Request, RetryPolicy};
use flamenco_azure_core::clock::{Clock as _, TokioClock};
use flamenco_azure_tests::yard::SUBSCRIPTION;
use serde_json::json;

/// Asks for a role while the directory answers `times` times that it does not know the identity; how that ended, how
/// long it took, and how many roles there are then.
async fn assign(times: Option<u32>) -> (Result<(), Kind>, Duration, usize) {
    let mut world = World::new(WorldConfig::new(SUBSCRIPTION));
    let unknown = Action::error(400, "PrincipalNotFound", "Principal 4711 does not exist in the directory.");
    let at = Match::on("PUT", "/roleAssignments/");
    world.inject(Fault { at, action: unknown, times });
    let clock = TokioClock::starting_at(world.now());
    let world = Arc::new(Mutex::new(world));
    let client = ArmClient::new(ArmOptions {
        cloud: Cloud::public(),
        credential: SimTransport::credential(),
        transport: Some(Arc::new(SimTransport::new(Arc::clone(&world), Arc::new(move || clock.now())))),
        clock: Arc::new(clock),
        seed: 1,
        retry: RetryPolicy::default(),
    });
    let scope = format!("/subscriptions/{SUBSCRIPTION}");
    let role = format!(
        "{scope}/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c"
    );
    let body = json!({"properties": {
        "roleDefinitionId": role,
        "principalId": "00000000-0000-4000-8000-000000004711",
        "principalType": "ServicePrincipal",
    }});
    let path = format!(
        "{scope}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000001"
    );
    let begun = clock.now();
    let ended = client.run(&Request::put(path, body).api_version("2022-04-01")).await;
    let took = clock.now().duration_since(begun).unsigned_abs();
    let roles =
        world.lock().unwrap().canonical()["roleAssignments"].as_object().map_or(0, serde_json::Map::len);
    (ended.map(|_| ()).map_err(|error| error.kind().clone()), took, roles)
}

#[tokio::test(start_paused = true)]
async fn a_role_for_an_identity_that_is_not_known_yet_is_asked_for_24_times_and_then_there() {
    let (ended, took, roles) = assign(Some(24)).await;
    assert_eq!((ended, roles), (Ok(()), 1));
    assert!((240..420).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_never_becomes_known_ends_in_bounded_time() {
    let (ended, took, roles) = assign(None).await;
    assert_eq!((ended, roles), (Err(Kind::PrincipalNotFound), 0));
    assert!(took <= Duration::from_mins(16), "{took:?}");
}
