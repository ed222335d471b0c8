//! Keys that only Batch pools have: packages, formulas, variables.

use flamenco_azure_core::spec::{
    AGENT_2204, Autoscale, BatchMode, FORMULA_ROOM, Farm, FarmSpec, LONGEST_FORMULA, PackageRef, suspicious,
    unbounded, validate,
};
use proptest::prelude::*;

use crate::farm_file::{LEAST, overrides};

fn farm(pool: &str) -> (Farm, Vec<String>) {
    let spec = FarmSpec::parse("f", &format!("{LEAST}{pool}")).unwrap();
    let (farm, warnings) = validate(&spec, &overrides()).unwrap();
    (farm, warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn packages_environment_and_agent_are_what_the_file_says() {
    let (farm, warnings) = farm(
        "pools:
- name: a
  packages: ['blender#5.0.1', ffmpeg]
  environment: {STUDIO: Spring, EMPTY: ''}
  image: /subscriptions/5b3a7c1e-0000-4000-8000-0123456789ab/resourceGroups/i/providers/Microsoft.Compute/galleries/g/images/node
  nodeAgent: batch.node.ubuntu 22.04
- {name: b}
",
    );
    assert_eq!(warnings, Vec::<String>::new());
    let [a, b] = farm.pools.as_slice() else { panic!("two pools") };
    let texts: Vec<String> = a.packages.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["blender#5.0.1", "ffmpeg"]);
    assert_eq!(a.packages[1], PackageRef { application: "ffmpeg".to_owned(), version: None });
    assert_eq!(
        a.environment,
        [("EMPTY", ""), ("STUDIO", "Spring")].map(|(n, v)| (n.into(), v.into())).into()
    );
    assert_eq!(a.image.node_agent(), AGENT_2204);
    assert!(b.packages.is_empty() && b.environment.is_empty() && b.autoscale.is_none());
}

#[test]
fn a_formula_that_reads_batch_tasks_is_warned_of_and_one_in_a_comment_is_not() {
    let (farm, warnings) = farm(
        "pools:
- name: a
  maxNodes: 20
  autoscale:
    formula: |
      // not by $PendingTasks
      $TargetLowPriorityNodes = min(20, avg($ActiveTasks.GetSample(1)));
    evaluationMinutes: 30
",
    );
    let auto = farm.pools[0].autoscale.clone().unwrap();
    assert_eq!(auto.evaluation_minutes, 30);
    assert!(auto.formula.starts_with("// not by") && auto.formula.ends_with("));"));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("`$ActiveTasks` is always 0"), "{warnings:?}");
    assert!(warnings[1].contains("without asking the Manager"), "{warnings:?}");
}

#[test]
fn a_package_reference_is_written_as_it_is_read() {
    for text in
        ["blender", "a#1", "Flamenco-Worker_3#3.8.5-rc.1", &"x".repeat(64), &format!("x#{}", "1".repeat(64))]
    {
        assert_eq!(text.parse::<PackageRef>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "#",
        "a#",
        "a b",
        "a.b",
        "a#b#c",
        "a#.",
        "ä",
        "a/b",
        &"x".repeat(65),
        &format!("x#{}", "1".repeat(65)),
    ] {
        assert!(text.parse::<PackageRef>().is_err(), "{text}");
    }
}

#[test]
fn what_is_no_secret_is_not_taken_for_one() {
    for value in [
        "",
        "Spring",
        "https://example.org/?signature=x&server=y",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "/mnt/batch/tasks/shared",
        "a=b;c=d",
    ] {
        assert_eq!(suspicious(value), None, "{value}");
    }
    let key = format!("{}==", "aB3+/".repeat(18).split_at(86).0);
    for value in [key.clone(), format!("key {key}"), format!("X={key}"), format!("\"{key}\"")] {
        assert_eq!(suspicious(&value), Some("an account key"), "{value}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_bounded_formula_leads_back_to_its_own_and_keeps_its_lines(
        formula in "(a = 1;\n?| // x\n|\\$TargetDedicatedNodes = 3;|/\\* ; \\*/|b = 2){1,6}", most in 1u32..=10_000,
    ) {
        let formula = formula.trim_end().to_owned();
        prop_assume!(!formula.is_empty());
        let auto = Autoscale { formula: formula.clone(), evaluation_minutes: 15 };
        let bounded = auto.bounded(most);
        prop_assert!(bounded.starts_with(&formula));
        prop_assert!(bounded.chars().count() <= formula.chars().count() + FORMULA_ROOM);
        prop_assert_eq!(unbounded(&bounded), (formula.as_str(), Some(most)));
        prop_assert_eq!(unbounded(&formula), (formula.as_str(), None));
    }
}

#[test]
fn the_longest_formula_with_its_bounds_is_within_batchs_limit() {
    let auto = Autoscale { formula: "a".repeat(LONGEST_FORMULA - FORMULA_ROOM), evaluation_minutes: 5 };
    assert!(auto.bounded(10_000).chars().count() <= LONGEST_FORMULA);
}

#[test]
fn whose_subscription_nodes_run_in_is_what_the_file_says() {
    let principal = "0f0e0d0c-0000-4000-8000-0123456789ab";
    let own = |vault: &str, principal: Option<&str>| BatchMode::UserSubscription {
        key_vault: vault.to_owned(),
        service_principal: principal.map(str::to_owned),
    };
    for (block, wanted) in [
        ("{mode: batchService}", BatchMode::BatchService),
        ("{keyVaultName: '', servicePrincipalObjectId: ''}", BatchMode::BatchService),
        ("{mode: userSubscription, keyVaultName: studio-vault}", own("studio-vault", None)),
        (
            &format!("{{mode: userSubscription, keyVaultName: v-1, servicePrincipalObjectId: {principal}}}"),
            own("v-1", Some(principal)),
        ),
    ] {
        let (farm, warnings) = farm(&format!("batch: {block}\n"));
        assert_eq!(farm.batch_mode, wanted, "{block}");
        assert_eq!(warnings, Vec::<String>::new(), "{block}");
    }
}
