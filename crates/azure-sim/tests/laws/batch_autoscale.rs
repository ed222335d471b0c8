//! Laws of pools that size themselves.

use azure_sim::{SimResponse, World};
use serde_json::{Value, json};

use crate::farm::*;
use crate::support::*;

fn post(w: &mut World, action: &str, body: Value) -> SimResponse {
    data(w, "POST", &format!("/pools/render/{action}"), Some(&body))
}

fn enable(w: &mut World, formula: &str) -> SimResponse {
    post(w, "enableautoscale", json!({"autoScaleFormula": formula, "autoScaleEvaluationInterval": "PT5M"}))
}

fn shown(w: &mut World) -> Value {
    data(w, "GET", "/pools/render", None).json_body()
}

fn fixed() -> World {
    let mut w = world();
    farm(&mut w);
    settled_pool(&mut w, 2, 0);
    w
}

#[test]
fn a_formula_sizes_the_pool_at_once_and_each_interval() {
    let mut w = fixed();
    assert_eq!(enable(&mut w, "$TargetDedicatedNodes = min(5, $PendingTasks.GetSample(1));").status, 200);
    let body = shown(&mut w);
    assert_eq!(
        (body["enableAutoScale"].clone(), body["autoScaleEvaluationInterval"].clone()),
        (json!(true), json!("PT5M"))
    );
    assert_eq!(
        body["autoScaleRun"]["results"],
        "$TargetDedicatedNodes=0;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    );
    w.advance_by(60);
    assert!(states(&w).is_empty());
    w.set_pool_metric(&pool(), "$PendingTasks", 9);
    w.advance_by(200);
    assert!(states(&w).is_empty(), "not before the interval is over");
    w.advance_by(300);
    assert_eq!(states(&w).len(), 5);
    let arm = get(&mut w, &pool()).json_body()["properties"].clone();
    assert!(
        arm["scaleSettings"]["autoScale"]["formula"].is_string()
            && arm["autoScaleRun"]["evaluationTime"].is_string()
    );
    // Off: the size stays, whatever the metric says, and may be set again.
    assert_eq!(code(&post(&mut w, "resize", json!({"targetDedicatedNodes": 1}))).0, 409);
    assert_eq!(post(&mut w, "disableautoscale", json!({})).status, 200);
    w.set_pool_metric(&pool(), "PendingTasks", 0);
    w.advance_by(1000);
    let body = shown(&mut w);
    assert_eq!((states(&w).len(), body["enableAutoScale"].clone()), (5, json!(false)));
    assert!(body["autoScaleFormula"].is_null() && body["autoScaleRun"].is_null());
    assert_eq!(post(&mut w, "resize", json!({"targetDedicatedNodes": 1})).status, 202);
}

#[test]
fn a_formula_is_evaluated_on_order_and_changes_nothing() {
    let mut w = fixed();
    let refused = post(&mut w, "evaluateautoscale", json!({"autoScaleFormula": "$TargetDedicatedNodes=7"}));
    assert_eq!(code(&refused), (409, "OperationNotValidOnPool".to_owned()));
    enable(&mut w, "$TargetDedicatedNodes=2");
    w.advance_by(60);
    let evaluate =
        |w: &mut World, formula: &str| post(w, "evaluateautoscale", json!({"autoScaleFormula": formula}));
    let good = evaluate(&mut w, "$TargetDedicatedNodes=7; extra = 3").json_body();
    assert_eq!(
        good["results"],
        "$TargetDedicatedNodes=7;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue;extra=3"
    );
    assert!(good["error"].is_null() && good["timestamp"].is_string());
    // As recorded: 200, the targets as they are, the error inside.
    let odd = evaluate(&mut w, "$something_useless");
    assert_eq!(odd.status, 200);
    let odd = odd.json_body();
    assert_eq!(
        odd["results"],
        "$TargetDedicatedNodes=2;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    );
    assert_eq!(odd["error"]["code"], "AutoScalingFormulaEvaluationError");
    assert_eq!(
        odd["error"]["values"],
        json!([{"name": "Message", "value": "Line 1, Col 1: Undefined symbol: something_useless"}])
    );
    assert_eq!(
        code(&evaluate(&mut w, "$TargetDedicatedNodes=")),
        (400, "AutoScalingFormulaSyntaxError".to_owned())
    );
    let long = format!("a = 1; // {}", "x".repeat(8192));
    assert_eq!(code(&evaluate(&mut w, &long)), (400, "AutoScalingFormulaTooLong".to_owned()));
    assert_eq!(
        code(&post(&mut w, "evaluateautoscale", json!({}))),
        (400, "MissingRequiredProperty".to_owned())
    );
    w.advance_by(600);
    assert_eq!(states(&w).len(), 2);
}

#[test]
fn what_cannot_be_a_formula_or_an_interval_is_refused_in_both_planes() {
    let mut w = fixed();
    assert_eq!(code(&enable(&mut w, "1 +")), (400, "AutoScalingFormulaSyntaxError".to_owned()));
    assert_eq!(code(&post(&mut w, "enableautoscale", json!({}))), (400, "InvalidPropertyValue".to_owned()));
    for interval in ["PT4M", "PT169H", "soon"] {
        let body =
            json!({"autoScaleFormula": "$TargetDedicatedNodes=1", "autoScaleEvaluationInterval": interval});
        assert_eq!(code(&post(&mut w, "enableautoscale", body)), (400, "InvalidPropertyValue".to_owned()));
        let auto = json!({"formula": "$TargetDedicatedNodes=1", "evaluationInterval": interval});
        let body = json!({"properties": {"scaleSettings": {"autoScale": auto}}});
        assert_eq!(
            code(&send(&mut w, "PATCH", &pool(), Some(&body))),
            (400, "InvalidPropertyValue".to_owned())
        );
    }
    let body = json!({"properties": {"scaleSettings": {"autoScale": {"formula": "a ="}}}});
    let refused = send(&mut w, "PATCH", &pool(), Some(&body));
    assert_eq!(code(&refused), (400, "AutoScalingFormulaSyntaxError".to_owned()));
    assert_eq!(
        refused.json_body()["error"]["details"][0]["message"],
        "Line 1, Col 4: Unexpected end of the formula"
    );
    assert_eq!(shown(&mut w)["enableAutoScale"], false);
    // While it is resized it cannot be enabled; again only after half a minute.
    resize(&mut w, 3, 0);
    assert_eq!(code(&enable(&mut w, "$TargetDedicatedNodes=1")), (409, "PoolBeingResized".to_owned()));
    w.advance_by(60);
    assert_eq!(enable(&mut w, "$TargetDedicatedNodes=3").status, 200);
    w.advance_by(10);
    assert_eq!(
        code(&enable(&mut w, "$TargetDedicatedNodes=4")),
        (503, "TooManyEnableAutoScaleRequests".to_owned())
    );
    w.advance_by(30);
    assert_eq!(enable(&mut w, "$TargetDedicatedNodes=4").status, 200);
}

#[test]
fn a_formula_that_goes_wrong_later_leaves_the_size_and_says_so() {
    let mut w = fixed();
    enable(&mut w, "$TargetDedicatedNodes = 6 / $PendingTasks;");
    let body = shown(&mut w);
    assert_eq!(body["autoScaleRun"]["error"]["code"], "AutoScalingFormulaEvaluationError");
    w.advance_by(20);
    assert_eq!(states(&w).len(), 2);
    w.set_pool_metric(&pool(), "PendingTasks", 2);
    w.advance_by(400);
    assert_eq!(states(&w).len(), 3);
    assert!(shown(&mut w)["autoScaleRun"]["error"].is_null());
}

#[test]
fn the_control_plane_switches_too_and_the_same_formula_is_no_change() {
    let mut w = fixed();
    let auto = |formula: &str| json!({"properties": {"scaleSettings": {"autoScale": {"formula": formula}}}});
    let patched = send(&mut w, "PATCH", &pool(), Some(&auto("$TargetDedicatedNodes=2")));
    let properties = patched.json_body()["properties"].clone();
    // Recorded: resizing for a moment even where nothing changes.
    assert_eq!((patched.status, properties["allocationState"].clone()), (200, json!("Resizing")));
    assert_eq!(properties["scaleSettings"]["autoScale"]["evaluationInterval"], "PT15M");
    w.advance_by(5);
    assert_eq!(shown(&mut w)["allocationState"], "steady");
    let again = send(&mut w, "PATCH", &pool(), Some(&auto("$TargetDedicatedNodes=2")));
    assert_eq!(again.json_body()["properties"]["allocationState"], "Steady");
    // Back to a fixed size.
    assert_eq!(resize(&mut w, 1, 0).status, 200);
    w.advance_by(2000);
    assert_eq!((states(&w).len(), shown(&mut w)["enableAutoScale"].clone()), (1, json!(false)));
}

#[test]
fn a_world_read_back_goes_on_evaluating() {
    let mut original = fixed();
    enable(&mut original, "$TargetDedicatedNodes = time().minute < 30 ? 1 : 3;");
    original.advance_by(100);
    let mut copy = World::from_json(&original.to_json().unwrap()).unwrap();
    for w in [&mut original, &mut copy] {
        w.advance_by(2400);
    }
    assert_eq!(original.to_json().unwrap(), copy.to_json().unwrap());
    assert!(!states(&copy).is_empty());
}
