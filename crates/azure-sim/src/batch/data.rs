//! The data plane: `https://{account}.{region}.batch.azure.com`.

use serde_json::{Value, json};

use super::{ACCOUNT, POOL, data_pool, images, wire};
use crate::resource::{Resource, key};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Items of a page, and pools of a page of node counts (BatchService.json, `maxresults`).
pub(super) const PAGE: usize = 1000;
const COUNTS_PAGE: usize = 10;

/// What an error says besides code and message.
pub(super) type Values<'a> = &'a [(&'a str, &'a str)];

/// An answer that may be refused on the way.
pub(super) type Answer = Result<SimResponse, SimResponse>;

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
        ("GET", ["pools"]) => call.pools(world),
        ("POST", ["pools"]) => call.add_pool(world),
        ("GET", ["supportedimages"]) => call.page(world, "supportedimages", images::items(), PAGE),
        ("GET", ["nodecounts"]) => call.counts(world),
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

pub(super) fn odata(status: u16, body: &Value) -> SimResponse {
    SimResponse::json(status, body).with_header("content-type", "application/json;odata=minimalmetadata")
}

pub(super) struct Call<'a> {
    pub(super) request: &'a Request,
    pub(super) host: &'a str,
    pub(super) account: &'a str,
}

impl Call<'_> {
    pub(super) fn error(
        &self,
        world: &mut World,
        status: u16,
        code: &str,
        message: &str,
        values: Values<'_>,
    ) -> SimResponse {
        error(world, self.host, status, code, message, values)
    }

    pub(super) fn unsupported(&self, world: &mut World) -> SimResponse {
        error(
            world,
            self.host,
            405,
            "UnsupportedHttpVerb",
            "The resource doesn't support the specified HTTP verb.",
            &[],
        )
    }

    pub(super) fn bad(&self, world: &mut World, name: &str, value: &str, reason: &str) -> SimResponse {
        let message = "The value provided for one of the properties in the request body is invalid.";
        let values = [("PropertyName", name), ("PropertyValue", value), ("Reason", reason)];
        error(world, self.host, 400, "InvalidPropertyValue", message, &values)
    }

    pub(super) fn conflict(&self, world: &mut World, code: &str, message: &str) -> SimResponse {
        error(world, self.host, 409, code, message, &[])
    }

    fn pools(&self, world: &mut World) -> Answer {
        let of_account = world.children(self.account, POOL);
        let items = of_account
            .filter_map(|r| Some(wire::data_pool(r, world.batch.pools.get(&r.key())?, self.host)))
            .collect();
        self.page(world, "pools", items, PAGE)
    }

    fn counts(&self, world: &mut World) -> Answer {
        let item = |r: &Resource| {
            let pool = world.batch.pools.get(&r.key())?;
            Some(json!({
                "poolId": r.name,
                "dedicated": wire::counts(pool, false),
                "lowPriority": wire::counts(pool, true),
            }))
        };
        let items = world.children(self.account, POOL).filter_map(item).collect();
        self.page(world, "poolnodecounts", items, COUNTS_PAGE)
    }

    /// An empty 201 with the pool's address (recorded traffic).
    fn add_pool(&self, world: &mut World) -> Answer {
        let name = self.request.body.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = format!("{}/pools/{name}", self.account);
        if world.batch.pools.contains_key(&key(&id)) {
            return Err(self.conflict(world, "PoolExists", "The specified pool already exists."));
        }
        let made = super::pool::create(
            world,
            &data_pool::to_control_plane(self.request, self.account),
            &id,
            self.account,
        );
        if !made.is_success() {
            let (code, message, values) = data_pool::error_of(&made.json_body());
            let values: Vec<(&str, &str)> = values.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            return Err(error(world, self.host, made.status, &code, &message, &values));
        }
        let url = format!("https://{}/pools/{name}", self.host);
        let response = self.accepted(world, &id, 201);
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
}
