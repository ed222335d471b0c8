//! The data plane: `https://{account}.{region}.batch.azure.com`.

use serde_json::{Value, json};

use super::pool::{Scale, begin_delete, duration};
use super::state::{Allocation, Node, NodeState, Pool};
use super::{ACCOUNT, POOL, allocate, data_pool, files, images, nodes, wire};
use crate::filter::Filter;
use crate::operation::{Effect, later};
use crate::resource::{Resource, key};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Items of a page.
const PAGE: usize = 1000;
/// Nodes of one `removenodes`.
const REMOVE_AT_ONCE: usize = 100;

/// What an error says besides code and message.
type Values<'a> = &'a [(&'a str, &'a str)];

/// An answer that may be refused on the way.
type Answer = Result<SimResponse, SimResponse>;

/// Answers for a Batch host.
pub(crate) fn handle(world: &mut World, request: &Request, host: &str) -> SimResponse {
    let response = answer(world, request, host).unwrap_or_else(|refusal| refusal);
    response.with_header("dataserviceversion", "3.0")
}

fn answer(world: &mut World, request: &Request, host: &str) -> Answer {
    let account = world
        .resources()
        .values()
        .find(|r| r.is(ACCOUNT) && r.text("/accountEndpoint") == Some(host))
        .map(|r| r.id.clone());
    let Some(account) = account else {
        return Err(error(world, host, 404, "AccountNotFound", "The specified account does not exist.", &[]));
    };
    authenticate(world, request, host)?;
    authorize(world, request, host, &account)?;
    if request.api_version.is_empty() {
        return Err(error(
            world,
            host,
            400,
            "MissingRequiredQueryParameter",
            "A required query parameter was not specified for this request.",
            &[("QueryParameterName", "api-version")],
        ));
    }
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let call = Call { request, host, account: &account };
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["pools"]) => Ok(call.pools(world)),
        ("POST", ["pools"]) => call.add_pool(world),
        ("GET", ["supportedimages"]) => Ok(call.page("supportedimages", images::items(), &|_, _| None)),
        ("GET", ["nodecounts"]) => Ok(call.counts(world)),
        (_, ["pools", pool, rest @ ..]) => {
            let id = format!("{account}/pools/{pool}");
            if !world.batch.pools.contains_key(&key(&id)) {
                let missing = "The specified pool does not exist.";
                return Err(error(world, host, 404, "PoolNotFound", missing, &[]));
            }
            call.precondition(world, &id)?;
            call.pool(world, &id, rest)
        }
        _ => Err(call.unsupported(world)),
    }
}

fn authenticate(world: &mut World, request: &Request, host: &str) -> Result<(), SimResponse> {
    let header = request.headers.get("authorization").map_or("", String::as_str);
    let token = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    };
    if !token.is_empty() && world.accepts_token(token) {
        return Ok(());
    }
    let message = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.";
    let refusal = error(
        world,
        host,
        401,
        "AuthenticationFailed",
        message,
        &[(
            "AuthenticationErrorDetail",
            "The specified type of authentication is missing or expired. Entra tokens are accepted.",
        )],
    );
    Err(refusal.with_header(
        "www-authenticate",
        "Bearer authorization_uri=\"https://login.microsoftonline.com/\", resource=\"https://batch.core.windows.net/\"",
    ))
}

/// Pools are actions of the control plane, through this endpoint too (Microsoft Learn "Role-based access control for
/// Azure Batch service").
fn authorize(world: &mut World, request: &Request, host: &str, account: &str) -> Result<(), SimResponse> {
    let verb = match request.method.as_str() {
        "GET" | "HEAD" => "read",
        "DELETE" => "delete",
        _ => "write",
    };
    let group = crate::resource::group_of(account).unwrap_or_default().to_owned();
    let action = format!("{POOL}/{verb}");
    if crate::authorization::may(world, &group, &action) {
        return Ok(());
    }
    let reason = format!("The principal may not perform {action} on {account}");
    Err(error(world, host, 403, "Forbidden", "Access is Forbidden", &[("Reason", &reason)]))
}

/// The service's error body (recorded traffic).
fn error(
    world: &mut World,
    host: &str,
    status: u16,
    code: &str,
    message: &str,
    values: Values<'_>,
) -> SimResponse {
    let mut body = json!({
        "odata.metadata": format!("https://{host}/$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"),
        "code": code,
        "message": {"lang": "en-US", "value": super::stamped(world, message)},
    });
    if !values.is_empty() {
        let values: Vec<Value> = values.iter().map(|(k, v)| json!({"key": k, "value": v})).collect();
        body["values"] = json!(values);
    }
    odata(status, &body)
}

fn odata(status: u16, body: &Value) -> SimResponse {
    SimResponse::json(status, body).with_header("content-type", "application/json;odata=minimalmetadata")
}

struct Call<'a> {
    request: &'a Request,
    host: &'a str,
    account: &'a str,
}

impl Call<'_> {
    fn unsupported(&self, world: &mut World) -> SimResponse {
        error(
            world,
            self.host,
            405,
            "UnsupportedHttpVerb",
            "The resource doesn't support the specified HTTP verb.",
            &[],
        )
    }

    fn bad(&self, world: &mut World, name: &str, value: &str, reason: &str) -> SimResponse {
        let message = "The value provided for one of the properties in the request body is invalid.";
        let values = [("PropertyName", name), ("PropertyValue", value), ("Reason", reason)];
        error(world, self.host, 400, "InvalidPropertyValue", message, &values)
    }

    fn conflict(&self, world: &mut World, code: &str, message: &str) -> SimResponse {
        error(world, self.host, 409, code, message, &[])
    }

    /// A page of items that pass `$filter`, cut to `$select`.
    fn page(
        &self,
        what: &str,
        items: Vec<Value>,
        field: &dyn Fn(&Value, &str) -> Option<String>,
    ) -> SimResponse {
        let text = self.request.query("$filter").unwrap_or_default();
        let Ok(filter) = Filter::parse(text) else {
            return odata(
                400,
                &json!({"code": "InvalidQueryParameterValue", "message": {"lang": "en-US", "value": "The specified $filter is not understood."}}),
            );
        };
        let number = |name: &str| self.request.query(name).and_then(|n| n.parse::<usize>().ok());
        let size = number("maxresults").unwrap_or(PAGE).clamp(1, PAGE);
        let skip = number("$skiptoken").unwrap_or(0);
        let admitted: Vec<Value> =
            items.into_iter().filter(|item| filter.admits(&|name| field(item, name))).collect();
        let total = admitted.len();
        let value: Vec<Value> =
            admitted.into_iter().skip(skip).take(size).map(|item| self.selected(item)).collect();
        let mut body = json!({
            "odata.metadata": format!("https://{}/$metadata#{what}", self.host),
            "value": value,
        });
        if skip + size < total {
            body["odata.nextLink"] = json!(self.next_link(skip + size));
        }
        odata(200, &body)
    }

    fn next_link(&self, skip: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("$skiptoken", &skip.to_string());
        for name in ["api-version", "$filter", "$select", "maxresults", "recursive"] {
            if let Some(value) = self.request.query(name) {
                query.append_pair(name, value);
            }
        }
        format!("https://{}{}?{}", self.host, self.request.path, query.finish())
    }

    fn selected(&self, item: Value) -> Value {
        match (self.request.query("$select"), item) {
            (Some(select), Value::Object(mut members)) => {
                let names: Vec<&str> = select.split(',').map(str::trim).collect();
                members.retain(|name, _| names.contains(&name.as_str()));
                Value::Object(members)
            }
            (_, item) => item,
        }
    }

    fn pools(&self, world: &World) -> SimResponse {
        let of_account = world.children(self.account, POOL);
        let items = of_account
            .filter_map(|r| Some(wire::data_pool(r, world.batch.pools.get(&r.key())?, self.host)))
            .collect();
        self.page("pools", items, &text_field)
    }

    fn counts(&self, world: &World) -> SimResponse {
        let item = |r: &Resource| {
            let pool = world.batch.pools.get(&r.key())?;
            Some(json!({
                "poolId": r.name,
                "dedicated": wire::counts(pool, false),
                "lowPriority": wire::counts(pool, true),
            }))
        };
        let items = world.children(self.account, POOL).filter_map(item).collect();
        self.page("poolnodecounts", items, &text_field)
    }

    /// An empty 201 with the pool's address (recorded traffic).
    fn add_pool(&self, world: &mut World) -> Answer {
        let name = self.request.body.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = format!("{}/pools/{name}", self.account);
        if world.batch.pools.contains_key(&key(&id)) {
            return Err(self.conflict(world, "PoolExists", "The specified pool already exists."));
        }
        let made = super::pool::create(world, &data_pool::to_control_plane(self.request), &id, self.account);
        if !made.is_success() {
            let (code, message, values) = data_pool::error_of(&made.json_body());
            let values: Vec<(&str, &str)> = values.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            return Err(error(world, self.host, made.status, &code, &message, &values));
        }
        let url = format!("https://{}/pools/{name}", self.host);
        let response = accepted(world, &id, 201);
        Ok(response.with_header("location", &url).with_header("dataserviceid", &url))
    }

    /// `If-Match` and `If-None-Match` of a change (Batch REST "conditional headers").
    fn precondition(&self, world: &mut World, id: &str) -> Result<(), SimResponse> {
        let etag = world.resource(id).map(wire::plain_etag).unwrap_or_default();
        let header = |name: &str| self.request.headers.get(name).map(|v| v.trim_matches('"'));
        let stale = header("if-match").is_some_and(|wanted| wanted != "*" && wanted != etag);
        let same = header("if-none-match").is_some_and(|wanted| wanted == "*" || wanted == etag);
        if !stale && !same {
            return Ok(());
        }
        if same && matches!(self.request.method.as_str(), "GET" | "HEAD") {
            return Err(SimResponse::empty(304));
        }
        let message = "The condition specified using HTTP conditional header(s) is not met.";
        Err(error(world, self.host, 412, "ConditionNotMet", message, &[]))
    }

    fn pool(&self, world: &mut World, id: &str, rest: &[&str]) -> Answer {
        match (self.request.method.as_str(), rest) {
            ("GET" | "HEAD", []) => Ok(self.get_pool(world, id)),
            ("DELETE", []) => Ok(Self::delete_pool(world, id)),
            ("POST", ["resize"]) => self.resize(world, id),
            ("POST", ["stopresize"]) => {
                if !allocate::stop(world, &key(id)) {
                    return Err(self.conflict(
                        world,
                        "PoolNotBeingResized",
                        "The specified pool is not being resized.",
                    ));
                }
                Ok(accepted(world, id, 202))
            }
            ("POST", ["disableautoscale"]) => {
                if let Some(pool) = world.batch.pools.get_mut(&key(id)) {
                    pool.formula = None;
                }
                Ok(accepted(world, id, 200))
            }
            ("POST", ["enableautoscale"]) => {
                self.at_rest(world, id)?;
                let formula =
                    self.request.body.get("autoScaleFormula").and_then(Value::as_str).map(str::to_owned);
                let Some(pool) = world.batch.pools.get_mut(&key(id)) else {
                    return Err(self.unsupported(world));
                };
                if formula.is_none() && pool.formula.is_none() {
                    return Err(self.bad(world, "autoScaleFormula", "", "A formula must be given."));
                }
                pool.formula = formula.or_else(|| pool.formula.take());
                touch(world, id);
                Ok(accepted(world, id, 200))
            }
            // PATCH changes what is named, updateproperties replaces (Batch REST); both at once.
            ("PATCH", []) => Ok(self.change(world, id, 200)),
            ("POST", ["updateproperties"]) => Ok(self.change(world, id, 204)),
            ("POST", ["removenodes"]) => self.remove_nodes(world, id),
            ("GET", ["nodes"]) => Ok(self.nodes(world, id)),
            (_, ["nodes", node, rest @ ..]) => self.node(world, id, node, rest),
            _ => Err(self.unsupported(world)),
        }
    }

    fn change(&self, world: &mut World, id: &str, status: u16) -> SimResponse {
        const CHANGEABLE: &[&str] = &[
            "startTask",
            "metadata",
            "applicationPackageReferences",
            "certificateReferences",
            "targetNodeCommunicationMode",
            "displayName",
        ];
        let sent = data_pool::to_control_plane(self.request);
        let etag = format!("W/\"{}\"", wire::new_etag(world));
        if let Some(resource) = world.resource_mut(id) {
            for name in CHANGEABLE {
                match sent.body.pointer(&format!("/properties/{name}")).filter(|value| !value.is_null()) {
                    Some(value) => resource.set(name, value.clone()),
                    None if status == 204 => {
                        if let Some(properties) = resource.properties.as_object_mut() {
                            properties.remove(*name);
                        }
                    }
                    None => {}
                }
            }
            resource.etag = etag;
        }
        accepted(world, id, status)
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
        let mut body = json!({"odata.metadata": format!("https://{}/$metadata#pools/@Element", self.host)});
        let item = self.selected(wire::data_pool(resource, pool, self.host));
        for (name, value) in item.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        odata(200, &body).with_headers(&headers)
    }

    fn delete_pool(world: &mut World, id: &str) -> SimResponse {
        let seconds = begin_delete(world, &key(id));
        let at = later(world.now(), seconds);
        world.schedule(at, Effect::Remove(id.to_owned()));
        SimResponse::empty(202)
    }

    /// Refuses what needs a pool at rest.
    fn at_rest(&self, world: &mut World, id: &str) -> Result<(), SimResponse> {
        let Some(pool) = world.batch.pools.get(&key(id)) else { return Ok(()) };
        if pool.deleting {
            return Err(self.conflict(world, "PoolBeingDeleted", "The specified pool is being deleted."));
        }
        if pool.allocation != Allocation::Steady {
            return Err(self.conflict(world, "PoolBeingResized", "The specified pool is being resized."));
        }
        Ok(())
    }

    fn resize(&self, world: &mut World, id: &str) -> Answer {
        self.at_rest(world, id)?;
        let body = &self.request.body;
        let dedicated = data_pool::number(body, "targetDedicatedNodes");
        let spot = data_pool::number(body, "targetLowPriorityNodes");
        if dedicated.is_none() && spot.is_none() {
            return Err(self.bad(world, "targetDedicatedNodes", "", "A target must be given."));
        }
        let timeout = match body.get("resizeTimeout").and_then(Value::as_str) {
            None => None,
            Some(text) => match duration(text).filter(|s| *s >= 300) {
                Some(seconds) => Some(seconds),
                None => {
                    return Err(self.bad(
                        world,
                        "resizeTimeout",
                        text,
                        "The resize timeout must be at least 5 minutes.",
                    ));
                }
            },
        };
        let option = body.get("nodeDeallocationOption").and_then(Value::as_str).map(str::to_owned);
        Scale { dedicated, spot, timeout, option, formula: None }.apply(world, id);
        touch(world, id);
        Ok(accepted(world, id, 202))
    }

    fn remove_nodes(&self, world: &mut World, id: &str) -> Answer {
        let list = self.request.body.get("nodeList").and_then(Value::as_array);
        let wanted: Vec<String> =
            list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        if wanted.is_empty() || wanted.len() > REMOVE_AT_ONCE {
            let count = wanted.len().to_string();
            return Err(self.bad(world, "nodeList", &count, "The list must have 1 to 100 nodes."));
        }
        self.at_rest(world, id)?;
        let nodes = world.batch.pools.get(&key(id)).map(|p| &p.nodes);
        if let Some(unknown) = wanted.iter().find(|n| nodes.is_none_or(|all| !all.contains_key(*n))).cloned()
        {
            return Err(error(
                world,
                self.host,
                404,
                "NodeNotFound",
                "The specified node does not exist.",
                &[("NodeId", &unknown)],
            ));
        }
        allocate::remove(world, &key(id), &wanted);
        touch(world, id);
        Ok(accepted(world, id, 202))
    }

    fn nodes(&self, world: &World, id: &str) -> SimResponse {
        let Some((resource, pool)) = wire::pool(world, id) else { return SimResponse::empty(404) };
        let items = pool.nodes.values().map(|n| wire::node(resource, pool, n, self.host)).collect();
        self.page("nodes", items, &text_field)
    }

    fn node(&self, world: &mut World, id: &str, node: &str, rest: &[&str]) -> Answer {
        let found: Option<(Resource, Pool, Node)> = wire::pool(world, id).and_then(|(resource, pool)| {
            Some((resource.clone(), pool.clone(), pool.nodes.get(node)?.clone()))
        });
        let Some((resource, pool, known)) = found else {
            return Err(error(
                world,
                self.host,
                404,
                "NodeNotFound",
                "The specified node does not exist.",
                &[],
            ));
        };
        match (self.request.method.as_str(), rest) {
            ("GET", []) => {
                let mut body =
                    json!({"odata.metadata": format!("https://{}/$metadata#nodes/@Element", self.host)});
                let item = self.selected(wire::node(&resource, &pool, &known, self.host));
                for (name, value) in item.as_object().into_iter().flatten() {
                    body[name] = value.clone();
                }
                Ok(odata(200, &body))
            }
            ("POST", ["reboot" | "reimage"]) => {
                let settled =
                    matches!(known.state, NodeState::Idle | NodeState::StartTaskFailed | NodeState::Unusable);
                if !settled {
                    return Err(self.conflict(
                        world,
                        "NodeNotReady",
                        "The specified node is not ready for this operation.",
                    ));
                }
                let state = if rest[0] == "reboot" { NodeState::Rebooting } else { NodeState::Reimaging };
                nodes::boot_again(world, &key(id), node, state);
                Ok(SimResponse::empty(202))
            }
            ("GET", ["files"]) => {
                let base = format!("https://{}/pools/{}/nodes/{node}", self.host, resource.name);
                let recursive =
                    self.request.query("recursive").is_some_and(|r| r.eq_ignore_ascii_case("true"));
                Ok(self.page("files", files::list(&known, &base, recursive), &text_field))
            }
            ("GET" | "HEAD", ["files", path @ ..]) => match files::content(&known, &path.join("/")) {
                Some(response) => Ok(response),
                None => Err(error(
                    world,
                    self.host,
                    404,
                    "FileNotFound",
                    "The specified file does not exist.",
                    &[],
                )),
            },
            _ => Err(self.unsupported(world)),
        }
    }
}

fn text_field(item: &Value, name: &str) -> Option<String> {
    match item.get(name)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Every accepted change has a new etag.
fn touch(world: &mut World, id: &str) {
    let etag = format!("W/\"{}\"", wire::new_etag(world));
    if let Some(resource) = world.resource_mut(id) {
        resource.etag = etag;
    }
}

/// An empty answer with the pool's etag (recorded traffic).
fn accepted(world: &World, id: &str, status: u16) -> SimResponse {
    match wire::pool(world, id) {
        Some((resource, pool)) => SimResponse::empty(status)
            .with_header("etag", &wire::plain_etag(resource))
            .with_header("last-modified", &wire::http_date(pool.modified)),
        None => SimResponse::empty(status),
    }
}
