//! What the farm file admits, the scaler can make: the limits of both are the same.

use flamenco_azure_core::name::{self, Kind};
use flamenco_azure_core::spec;
use proptest::prelude::*;
use vmss_scaler::names::Names;

#[test]
fn the_limits_of_the_farm_file_are_the_scalers() {
    assert_eq!(spec::MOST_PER_SET, vmss_scaler::spec::MOST_PER_SET);
    assert_eq!(spec::MOST_PER_SET_MANAGED_IMAGE, vmss_scaler::spec::MOST_PER_SET_MANAGED_IMAGE);
    let fits = |pool: usize| Names::new("/g", "farm", &"p".repeat(pool)).check().is_ok();
    let most = spec::SET_NAME_ROOM - "farm".len();
    assert!(fits(most) && !fits(most + 1));
    assert_eq!(Kind::Fleet.rule().max + 1, spec::SET_NAME_ROOM, "beside a farm of one letter");
}

proptest! {
    #[test]
    fn names_that_the_farm_file_admits_are_those_that_fit(
        farm in "[a-z]([a-z0-9-]{0,30}[a-z0-9])?", pool in "[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?",
    ) {
        prop_assert!(name::check(Kind::Farm, &farm).is_ok() && name::check(Kind::Fleet, &pool).is_ok());
        let fits = farm.len() + pool.len() <= spec::SET_NAME_ROOM;
        prop_assert_eq!(Names::new("/g", &farm, &pool).check().is_ok(), fits);
    }
}
