//! A large farm over a long time. By default an hour of a small one; the whole week of 5,000 machines in 100 sets, with
//! a list of the sets each minute and about ten million instance bodies, is
//! `FLEET_WEEK=1 cargo test --release -p azure-sim --test laws fleet_week`.

use crate::fleet::*;
use crate::support::*;

#[test]
fn a_large_farm_is_kept_through_its_evictions() {
    let whole = std::env::var_os("FLEET_WEEK").is_some();
    let (sets, machines_each, minutes) = if whole { (100_u64, 50_u64, 7 * 24 * 60) } else { (10, 20, 60) };
    for mode in ["Uniform", "Flexible"] {
        let mut w = ground();
        w.limit_log(10);
        for number in 0..sets {
            let response = put(&mut w, &set(&format!("farm{number:03}")), &body(mode, machines_each));
            assert_eq!(response.status, 201, "{}", response.json_body());
            w.advance_by(30);
        }
        w.advance_by(900);
        let all = set("").trim_end_matches('/').to_owned();
        let wanted = sets * machines_each;
        let (mut bodies, mut evicted) = (0_u64, 0);
        for minute in 0..minutes {
            // About five in a hundred an hour.
            evicted +=
                w.evict_some(usize::try_from(wanted / 1200 + u64::from(minute % 10 == 0)).unwrap()).len();
            w.advance_by(60);
            let page = get(&mut w, &all);
            assert_eq!(page.status, 200);
            let shown = w.scale_sets();
            for number in 0..sets {
                let name = format!("farm{number:03}");
                if u64::from(shown[usize::try_from(number).unwrap()].capacity) < machines_each {
                    assert_eq!(scale(&mut w, &name, machines_each).status, 200);
                }
                // A fifth of the sets is looked into.
                if (number + minute) % 5 == 0 {
                    let path = if mode == "Uniform" {
                        format!("{}/virtualMachines", set(&name))
                    } else {
                        format!("{}?$filter='virtualMachineScaleSet/id'%20eq%20'{}'", machines(), set(&name))
                    };
                    let list = get(&mut w, &path);
                    assert_eq!(list.status, 200, "{}", list.json_body());
                    bodies += machines_each;
                }
            }
        }
        w.advance_by(900);
        let there: u64 = w.scale_sets().iter().map(|set| u64::from(set.machines)).sum();
        assert!(there + 30 > wanted && there <= wanted, "{there} of {wanted}");
        assert!(evicted > 0 && bodies > 0);
    }
}
