//! What the data plane does to one pool.

use serde_json::{Value, json};

use super::data::{Answer, Call};
use super::pool::{Scale, begin_delete, interval, timeout};
use super::state::Allocation;
use super::{allocate, autoscale, data_pool, formula, reference, wire};
use crate::operation::{Effect, later};
use crate::resource::key;
use crate::wire::SimResponse;
use crate::world::World;

/// Nodes of one `removenodes`.
const REMOVE_AT_ONCE: usize = 100;

/// What a change replaces, in the control plane's words.
const CHANGEABLE: &[&str] = &[
    "startTask",
    "metadata",
    "applicationPackages",
    "targetNodeCommunicationMode",
    "displayName",
    "resourceTags",
    "taskSlotsPerNode",
    "taskSchedulingPolicy",
    "userAccounts",
];

impl Call<'_> {
    pub(super) fn pool(&self, world: &mut World, id: &str, rest: &[&str]) -> Answer {
        match (self.request.method.as_str(), rest) {
            ("GET" | "HEAD", []) => Ok(self.get_pool(world, id)),
            ("DELETE", []) => self.delete_pool(world, id),
            ("POST", ["resize"]) => self.resize(world, id),
            ("POST", ["stopresize"]) => {
                if !allocate::stop(world, &key(id)) {
                    return Err(self.conflict(
                        world,
                        "PoolNotBeingResized",
                        "The specified pool is not being resized.",
                    ));
                }
                Ok(self.accepted(world, id, 202))
            }
            ("POST", ["disableautoscale"]) => {
                self.there(world, id)?;
                autoscale::disable(world, &key(id));
                touch(world, id);
                Ok(self.accepted(world, id, 200))
            }
            ("POST", ["enableautoscale"]) => self.enable_auto_scale(world, id),
            ("POST", ["evaluateautoscale"]) => self.evaluate_auto_scale(world, id),
            // PATCH changes what is named, updateproperties replaces (Batch REST); both at once.
            ("PATCH", []) => self.change(world, id, 200),
            ("POST", ["updateproperties"]) => self.change(world, id, 204),
            ("POST", ["removenodes"]) => self.remove_nodes(world, id),
            ("GET", ["nodes"]) => self.nodes(world, id),
            (_, ["nodes", node, rest @ ..]) => self.node(world, id, node, rest),
            _ => Err(self.unsupported(world)),
        }
    }

    fn change(&self, world: &mut World, id: &str, status: u16) -> Answer {
        self.there(world, id)?;
        let sent = data_pool::to_control_plane(self.request, self.account).body;
        let part =
            |name: &str| sent.pointer(&format!("/properties/{name}")).filter(|v| !v.is_null()).cloned();
        if let Some(references) = part("applicationPackages")
            && let Err(refusal) = reference::check(world, self.account, &references)
        {
            return Err(self.in_own_words(world, &refusal));
        }
        let (etag, now) = (format!("W/\"{}\"", wire::new_etag(world)), world.now());
        if let Some(resource) = world.resource_mut(id) {
            // Recorded: it is shown from the first change on.
            if resource.property("/targetNodeCommunicationMode").is_none() {
                resource.set("targetNodeCommunicationMode", json!("Default"));
            }
            for name in CHANGEABLE {
                match part(name) {
                    Some(value) => resource.set(name, value),
                    None if status == 204
                        && matches!(*name, "startTask" | "metadata" | "applicationPackages") =>
                    {
                        if let Some(properties) = resource.properties.as_object_mut() {
                            properties.remove(*name);
                        }
                    }
                    None => {}
                }
            }
            resource.etag = etag;
        }
        if let Some(pool) = world.batch.pools.get_mut(&key(id)) {
            pool.modified = now;
        }
        Ok(self.accepted(world, id, status))
    }

    /// An error of the control plane in the data plane's form.
    pub(super) fn in_own_words(&self, world: &mut World, refusal: &SimResponse) -> SimResponse {
        let (code, message, values) = data_pool::error_of(&refusal.json_body());
        let values: Vec<(&str, &str)> = values.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        self.error(world, refusal.status, &code, &message, &values)
    }

    fn get_pool(&self, world: &mut World, id: &str) -> SimResponse {
        let Some((resource, pool)) = wire::pool(world, id) else { return SimResponse::empty(404) };
        let headers = [
            ("etag".to_owned(), wire::plain_etag(resource)),
            ("last-modified".to_owned(), wire::http_date(pool.modified)),
        ];
        if self.request.method == "HEAD" {
            return SimResponse::empty(200).with_headers(&headers);
        }
        self.element("pools", wire::data_pool(resource, pool, self.host)).with_headers(&headers)
    }

    fn delete_pool(&self, world: &mut World, id: &str) -> Answer {
        self.there(world, id)?;
        let seconds = begin_delete(world, &key(id));
        let at = later(world.now(), seconds);
        world.schedule(at, Effect::Remove(id.to_owned()));
        Ok(SimResponse::empty(202))
    }

    /// Refuses what a pool that is being deleted does not take (BatchService.json, `Pool_Delete`).
    fn there(&self, world: &mut World, id: &str) -> Result<(), SimResponse> {
        if world.batch.pools.get(&key(id)).is_some_and(|pool| pool.deleting) {
            return Err(self.conflict(
                world,
                "PoolBeingDeleted",
                "The specified pool has been marked for deletion and is being reclaimed.",
            ));
        }
        Ok(())
    }

    /// Refuses what needs a pool at rest.
    fn at_rest(&self, world: &mut World, id: &str) -> Result<(), SimResponse> {
        self.there(world, id)?;
        if world.batch.pools.get(&key(id)).is_some_and(|pool| pool.allocation != Allocation::Steady) {
            return Err(self.conflict(world, "PoolBeingResized", "The specified pool is being resized."));
        }
        Ok(())
    }

    fn resize_timeout(&self, world: &mut World) -> Result<Option<u64>, SimResponse> {
        timeout(&self.request.body)
            .map_err(|(value, reason)| self.bad(world, "resizeTimeout", &value, reason))
    }

    fn resize(&self, world: &mut World, id: &str) -> Answer {
        self.at_rest(world, id)?;
        if world.batch.pools.get(&key(id)).is_some_and(|pool| pool.formula.is_some()) {
            // 409 (BatchService.json, `Pool_Resize`); which code is not recorded.
            return Err(self.conflict(
                world,
                "OperationNotValidOnPool",
                "The specified operation is not valid on the pool.",
            ));
        }
        let body = &self.request.body;
        let dedicated = data_pool::number(body, "targetDedicatedNodes");
        let spot = data_pool::number(body, "targetLowPriorityNodes");
        if dedicated.is_none() && spot.is_none() {
            return Err(self.bad(world, "targetDedicatedNodes", "", "A target must be given."));
        }
        let timeout = self.resize_timeout(world)?;
        let option = body.get("nodeDeallocationOption").and_then(Value::as_str).map(str::to_owned);
        Scale { dedicated, spot, timeout, option, ..Scale::default() }.apply(world, id);
        touch(world, id);
        Ok(self.accepted(world, id, 202))
    }

    /// A formula of the body that can be read, with its interval.
    fn formula(&self, world: &mut World) -> Result<(Option<String>, Option<u64>), SimResponse> {
        let text = self.request.body.get("autoScaleFormula").and_then(Value::as_str).map(str::to_owned);
        if text.as_ref().is_some_and(|text| text.len() > formula::LONGEST) {
            let message = "The specified auto-scaling formula exceeds lengths limit.";
            return Err(self.error(world, 400, "AutoScalingFormulaTooLong", message, &[]));
        }
        if let Some(Err(wrong)) = text.as_ref().map(|text| formula::check(text)) {
            let (code, message) = autoscale::words(true);
            return Err(self.error(world, 400, code, message, &[("Message", &wrong.message())]));
        }
        let interval = interval(&self.request.body, "autoScaleEvaluationInterval");
        let interval = interval
            .map_err(|(value, reason)| self.bad(world, "autoScaleEvaluationInterval", &value, reason))?;
        Ok((text, interval))
    }

    fn enable_auto_scale(&self, world: &mut World, id: &str) -> Answer {
        self.at_rest(world, id)?;
        let (text, interval) = self.formula(world)?;
        if autoscale::too_soon(world, &key(id)) {
            let message = "Too many Enable Pool AutoScale requests are issued on the pool.";
            return Err(self.error(world, 503, "TooManyEnableAutoScaleRequests", message, &[]));
        }
        let on = world.batch.pools.get(&key(id)).is_some_and(|pool| pool.formula.is_some());
        if !on && text.is_none() {
            return Err(self.bad(world, "autoScaleFormula", "", "A formula must be given."));
        }
        autoscale::enable(world, &key(id), text, interval);
        touch(world, id);
        Ok(self.accepted(world, id, 200))
    }

    /// 200 also where the formula is wrong, with the error inside (recorded).
    fn evaluate_auto_scale(&self, world: &mut World, id: &str) -> Answer {
        self.there(world, id)?;
        if world.batch.pools.get(&key(id)).is_none_or(|pool| pool.formula.is_none()) {
            // "The pool must have auto scaling enabled" (BatchService.json); which code is not recorded.
            return Err(self.conflict(
                world,
                "OperationNotValidOnPool",
                "The specified operation is not valid on the pool.",
            ));
        }
        let Some(text) = self.formula(world)?.0 else {
            let message = "A required property was not specified in the request body.";
            return Err(self.error(
                world,
                400,
                "MissingRequiredProperty",
                message,
                &[("PropertyName", "autoScaleFormula")],
            ));
        };
        let run = autoscale::evaluate(world, &key(id), &text).body("timestamp");
        let kind = "Microsoft.Azure.Batch.Protocol.Entities.AutoScaleRun";
        let mut body = json!({"odata.metadata": format!("https://{}/$metadata#{kind}", self.host)});
        for (name, value) in run.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        Ok(super::data::odata(200, &body).with_header("dataserviceid", &self.address()))
    }

    fn remove_nodes(&self, world: &mut World, id: &str) -> Answer {
        let list = self.request.body.get("nodeList").and_then(Value::as_array);
        let wanted: Vec<String> =
            list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        if wanted.is_empty() || wanted.len() > REMOVE_AT_ONCE {
            let count = wanted.len().to_string();
            return Err(self.bad(world, "nodeList", &count, "The list must have 1 to 100 nodes."));
        }
        self.resize_timeout(world)?;
        self.at_rest(world, id)?;
        let nodes = world.batch.pools.get(&key(id)).map(|p| &p.nodes);
        if let Some(unknown) = wanted.iter().find(|n| nodes.is_none_or(|all| !all.contains_key(*n))).cloned()
        {
            let message = "The specified node does not exist.";
            return Err(self.error(world, 404, "NodeNotFound", message, &[("NodeId", &unknown)]));
        }
        allocate::remove(world, &key(id), &wanted);
        touch(world, id);
        Ok(self.accepted(world, id, 202))
    }

    /// The address of the request, as `DataServiceId` says it back.
    pub(super) fn address(&self) -> String {
        format!("https://{}{}", self.host, self.request.path)
    }

    /// An empty answer with the pool's etag (recorded traffic).
    pub(super) fn accepted(&self, world: &World, id: &str, status: u16) -> SimResponse {
        match wire::pool(world, id) {
            Some((resource, pool)) => SimResponse::empty(status)
                .with_header("dataserviceid", &self.address())
                .with_header("etag", &wire::plain_etag(resource))
                .with_header("last-modified", &wire::http_date(pool.modified)),
            None => SimResponse::empty(status),
        }
    }
}

/// Every accepted change has a new etag.
fn touch(world: &mut World, id: &str) {
    let etag = format!("W/\"{}\"", wire::new_etag(world));
    if let Some(resource) = world.resource_mut(id) {
        resource.etag = etag;
    }
}
