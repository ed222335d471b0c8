//! Batch's own entries on the calendar.

use serde_json::Value;

use super::{allocate, autoscale, nodes};
use crate::world::World;

/// Something of a pool or node is due. Events of an earlier resize or boot are passed over.
pub(crate) fn on_effect(world: &mut World, data: &Value) {
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let round = data.get("round").and_then(Value::as_u64).unwrap_or(0);
    let pool = text("pool");
    if text("do") == "node" {
        nodes::step(world, pool, text("node"), round, text("to"));
        return;
    }
    if text("do") == "autoscale" {
        autoscale::due(world, pool, round);
        return;
    }
    if world.batch.pools.get(pool).is_none_or(|p| p.round != round || p.deleting) {
        return;
    }
    match text("do") {
        "resize" => allocate::act(world, pool, false),
        "timeout" => allocate::act(world, pool, true),
        "stop" => allocate::halt(world, pool),
        _ => {}
    }
}
