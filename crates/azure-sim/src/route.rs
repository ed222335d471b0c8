//! From host and path to the module that answers, with the checks that ARM makes for every provider.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::resource::ProvisioningState;
use crate::wire::{SimRequest, SimResponse};
use crate::world::{Registration, World};

/// A request taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Upper-case method.
    pub(crate) method: String,
    /// Path without trailing slash.
    pub(crate) path: String,
    /// Path segments, percent-decoded.
    pub(crate) segments: Vec<String>,
    /// Query by lower-case name.
    query: BTreeMap<String, String>,
    /// Headers, lower-case names.
    pub(crate) headers: BTreeMap<String, String>,
    /// JSON body, `Null` when empty or no JSON.
    pub(crate) body: Value,
    /// Whether body bytes were sent that are no JSON.
    pub(crate) bad_json: bool,
    /// api-version as sent.
    pub(crate) api_version: String,
    /// Subscription of the path.
    pub(crate) subscription: Option<String>,
    /// Resource group of the path, as written.
    pub(crate) group: Option<String>,
    /// Everything before the last `/providers/`.
    pub(crate) scope: String,
    /// Provider namespace in Azure's casing (as written when unknown), or empty.
    pub(crate) namespace: String,
    /// Type segments after the namespace.
    pub(crate) types: Vec<String>,
    /// Name segments; one fewer than `types` for a collection or an action.
    pub(crate) names: Vec<String>,
}

impl Request {
    fn new(wire: &SimRequest) -> Self {
        let path = wire.url.path().trim_end_matches('/').to_owned();
        let segments: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(decode).collect();
        let query: BTreeMap<String, String> = wire
            .url
            .query_pairs()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
            .collect();
        let body = serde_json::from_slice(&wire.body).unwrap_or(Value::Null);
        let mut request = Self {
            method: wire.method.clone(),
            bad_json: !wire.body.is_empty() && body.is_null(),
            api_version: query.get("api-version").cloned().unwrap_or_default(),
            path,
            segments,
            query,
            headers: wire.headers.clone(),
            body,
            subscription: None,
            group: None,
            scope: String::new(),
            namespace: String::new(),
            types: Vec::new(),
            names: Vec::new(),
        };
        request.take_apart();
        request
    }

    fn take_apart(&mut self) {
        let s = &self.segments;
        let is = |index: usize, word: &str| s.get(index).is_some_and(|x| x.eq_ignore_ascii_case(word));
        if is(0, "subscriptions") {
            self.subscription = s.get(1).cloned();
        }
        if is(2, "resourceGroups") {
            self.group = s.get(3).cloned();
        }
        let last = s.iter().rposition(|x| x.eq_ignore_ascii_case("providers"));
        // `/subscriptions/s/providers/Ns` and `…/Ns/register` speak about the provider itself.
        let end = last.unwrap_or(s.len());
        self.scope = s[..end].iter().fold(String::new(), |acc, x| acc + "/" + x);
        if let Some(last) = last
            && let Some(namespace) = s.get(last + 1)
        {
            self.namespace =
                crate::providers::namespace(namespace).map_or_else(|| namespace.clone(), str::to_owned);
            for (index, segment) in s[last + 2..].iter().enumerate() {
                if index % 2 == 0 {
                    self.types.push(segment.clone());
                } else {
                    self.names.push(segment.clone());
                }
            }
        }
    }

    /// The whole query, by lower-case name.
    pub(crate) fn queries(&self) -> &BTreeMap<String, String> {
        &self.query
    }

    /// A query parameter by lower-case name.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The bearer token, empty when there is none.
    pub(crate) fn token(&self) -> &str {
        let header = self.headers.get("authorization").map_or("", String::as_str);
        header.split_once(' ').map_or("", |(_, token)| token.trim())
    }

    /// Types joined and lower-cased: `virtualnetworks/subnets`.
    pub(crate) fn kind(&self) -> String {
        self.types.join("/").to_ascii_lowercase()
    }

    /// Whether the path ends in a type without a name: a collection or an action.
    pub(crate) fn is_collection(&self) -> bool {
        self.types.len() > self.names.len()
    }

    /// The types of the named resource: for a collection or an action, those before its last segment.
    fn named_types(&self) -> &[String] {
        &self.types[..self.names.len()]
    }

    /// Full type in Azure's casing: `Microsoft.Network/virtualNetworks`.
    pub(crate) fn full_kind(&self) -> String {
        let joined = self.named_types().join("/");
        let kind = crate::providers::kind(&self.namespace, &joined).unwrap_or(&joined);
        format!("{}/{kind}", self.namespace)
    }

    /// The full type of the collection that the path names.
    pub(crate) fn collection_kind(&self) -> String {
        let joined = self.types.join("/");
        let kind = crate::providers::kind(&self.namespace, &joined).unwrap_or(&joined);
        format!("{}/{kind}", self.namespace)
    }

    /// The id of the named resource with Azure's casing of group and type words.
    pub(crate) fn id(&self, world: &World) -> String {
        let mut id = match &self.group {
            Some(group) => {
                let stored = world.groups.get(&group.to_ascii_lowercase());
                world.group_id(stored.map_or(group.as_str(), |g| g.name.as_str()))
            }
            None => self.scope.clone(),
        };
        id.push_str("/providers/");
        let full = self.full_kind();
        let mut words = full.split('/');
        id.push_str(words.next().unwrap_or_default());
        for (word, name) in words.zip(&self.names) {
            id.push('/');
            id.push_str(word);
            id.push('/');
            id.push_str(name);
        }
        id
    }

    /// Region of a `locations/{region}/…` path, normalised.
    pub(crate) fn region(&self) -> String {
        let first = self.names.first().map_or("", String::as_str);
        crate::resource::normal_location(first)
    }

    /// `location` of the body, normalised.
    pub(crate) fn location(&self) -> Option<String> {
        let location = self.body.get("location")?.as_str()?;
        Some(crate::resource::normal_location(location))
    }

    /// 404 as ARM answers for an absent resource (recorded traffic).
    pub(crate) fn not_found(&self) -> SimResponse {
        let words: Vec<&str> = self.types.iter().map(String::as_str).collect();
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let path = words.iter().zip(&names).map(|(t, n)| format!("{t}/{n}")).collect::<Vec<_>>().join("/");
        let group = self.group.as_deref().unwrap_or_default();
        SimResponse::arm_error(
            404,
            "ResourceNotFound",
            &format!(
                "The Resource '{}/{path}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
                self.namespace
            ),
        )
        .by_gateway()
    }

    /// 404 for a child whose parent is absent.
    pub(crate) fn parent_not_found(&self, parent: &str) -> SimResponse {
        SimResponse::arm_error(
            404,
            "ParentResourceNotFound",
            &format!(
                "Failed to perform '{}' on resource(s) of type '{}', because the parent resource '{parent}' could not be found.",
                self.action_word(),
                self.full_kind().split_once('/').map_or("", |x| x.1)
            ),
        )
        .by_gateway()
    }

    fn action_word(&self) -> &'static str {
        match self.method.as_str() {
            "PUT" | "PATCH" => "write",
            "DELETE" => "delete",
            "POST" => "action",
            _ => "read",
        }
    }

    /// 404 for a type that the provider does not have.
    pub(crate) fn no_such_type(&self) -> SimResponse {
        SimResponse::arm_error(
            404,
            "InvalidResourceType",
            &format!(
                "The resource type '{}' could not be found in the namespace '{}' for api version '{}'.",
                self.types.join("/"),
                self.namespace,
                self.api_version
            ),
        )
        .by_gateway()
    }

    /// 405 for a method that the resource does not know.
    pub(crate) fn no_such_method(&self) -> SimResponse {
        SimResponse::arm_error(
            405,
            "MethodNotAllowed",
            &format!("The HTTP method '{}' is not supported at this path.", self.method),
        )
    }

    /// The 412 of `If-Match` and `If-None-Match`, when the header forbids the change.
    pub(crate) fn precondition(&self, etag: Option<&str>) -> Option<SimResponse> {
        let failed = |message: &str| Some(SimResponse::arm_error(412, "PreconditionFailed", message));
        if let Some(wanted) = self.headers.get("if-match") {
            match etag {
                None => return failed("Precondition failed: the resource does not exist."),
                Some(etag) if wanted != "*" && wanted != etag => {
                    return failed(&format!(
                        "Precondition failed: the given etag {wanted} does not match the current etag {etag}."
                    ));
                }
                Some(_) => {}
            }
        }
        if self.headers.get("if-none-match").is_some_and(|v| v == "*") && etag.is_some() {
            return failed("Precondition failed: the resource exists already.");
        }
        None
    }

    /// The id that a refusal of rights names: the resource, or the group, or nothing better than the path.
    pub(crate) fn named_or_scope(&self, world: &World) -> Option<String> {
        if self.names.is_empty() || self.namespace == "Microsoft.Authorization" {
            return None;
        }
        Some(self.id(world))
    }

    /// The RBAC action of this request, for example `Microsoft.Network/virtualNetworks/write`.
    pub(crate) fn action(&self) -> String {
        let verb = self.action_word();
        if self.namespace.is_empty() {
            let what = if self.group.is_some() {
                "Microsoft.Resources/subscriptions/resourceGroups"
            } else {
                "Microsoft.Resources/subscriptions"
            };
            return format!("{what}/{verb}");
        }
        let kind = self.collection_kind();
        if self.method == "POST" { format!("{kind}/action") } else { format!("{kind}/{verb}") }
    }
}

fn decode(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = segment.get(index + 1..index + 3);
        if bytes[index] == b'%'
            && let Some(byte) = hex.and_then(|h| u8::from_str_radix(h, 16).ok())
        {
            out.push(byte);
            index += 3;
        } else {
            out.push(bytes[index]);
            index += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Answers any request, by host.
pub(crate) fn dispatch(world: &mut World, wire: &SimRequest) -> SimResponse {
    let request = Request::new(wire);
    let host = wire.url.host_str().unwrap_or_default().to_ascii_lowercase();
    match host.as_str() {
        "management.azure.com" => arm(world, &request),
        "login.microsoftonline.com" => crate::login::handle(world, &request),
        "prices.azure.com" => crate::catalogue::retail::handle(&request),
        host if crate::publishers::HOSTS.contains(&host) => crate::publishers::handle(&request),
        crate::graph::HOST => crate::graph::handle(world, &request),
        crate::imds::HOST => crate::imds::handle(world, &request),
        _ if host.ends_with(".batch.azure.com") => crate::batch::data::handle(world, &request, &host),
        host if crate::storage::data::is_host(host) => {
            crate::storage::data::handle(world, wire, &request, host)
        }
        _ => SimResponse::arm_error(404, "HostNotFound", &format!("No service answers at {host}.")),
    }
}

fn arm(world: &mut World, request: &Request) -> SimResponse {
    if request.path.eq_ignore_ascii_case("/metadata/endpoints") {
        return crate::login::endpoints(request);
    }
    if let Some(refusal) = authenticate(world, request) {
        return refusal;
    }
    if request.api_version.is_empty() {
        return SimResponse::arm_error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
        .by_gateway();
    }
    let (verbs, limit) = crate::throttle::subscription_limit(&request.method);
    let now = world.now();
    let left = match world.throttle.take(&format!("subscription-{verbs}"), limit, now) {
        Ok(left) => left,
        Err(seconds) => return crate::throttle::refused(world.subscription_id(), seconds),
    };
    world.spoken.clone_from(&request.api_version);
    let response = checked(world, request);
    if response.header("x-ms-failure-cause").is_some() {
        return response;
    }
    // Writes count alone, reads against the global limit too (recorded 2024).
    let response =
        response.with_header(&format!("x-ms-ratelimit-remaining-subscription-{verbs}"), &left.to_string());
    let global = limit.capacity * 15 - (limit.capacity - left);
    response
        .with_header(&format!("x-ms-ratelimit-remaining-subscription-global-{verbs}"), &global.to_string())
}

fn authenticate(world: &mut World, request: &Request) -> Option<SimResponse> {
    let header = request.headers.get("authorization").map_or("", String::as_str);
    let token = header.split_once(' ').map(|(scheme, token)| (scheme.to_ascii_lowercase(), token.trim()));
    match token {
        Some((scheme, token)) if scheme == "bearer" && !token.is_empty() => {
            (!world.accepts_token(token)).then(crate::fault::expired_token)
        }
        _ => Some(
            SimResponse::arm_error(
                401,
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
            )
            .by_gateway()
            .with_header(
                "www-authenticate",
                "Bearer authorization_uri=\"https://login.microsoftonline.com/\", error=\"invalid_token\"",
            ),
        ),
    }
}

fn checked(world: &mut World, request: &Request) -> SimResponse {
    if let Some(subscription) = &request.subscription
        && !subscription.eq_ignore_ascii_case(world.subscription_id())
    {
        return SimResponse::arm_error(
            404,
            "SubscriptionNotFound",
            &format!("The subscription '{subscription}' could not be found."),
        )
        .by_gateway();
    }
    if request.bad_json {
        return SimResponse::arm_error(
            400,
            "InvalidRequestContent",
            "The request content was invalid and could not be deserialized.",
        )
        .by_gateway();
    }
    let deployment = request.namespace == "Microsoft.Resources";
    if crate::operation::is_poll(request) && !deployment {
        return crate::operation::poll(world, request);
    }
    if let Some(refusal) = crate::authorization::refuse(world, request) {
        return refusal;
    }
    if request.namespace.is_empty() || request.types.is_empty() || is_registration(request) {
        return crate::resources::handle(world, request);
    }
    if let Some(refusal) = refuse_place(world, request) {
        return refusal;
    }
    if let Some(refusal) = refuse_provider(world, request) {
        return refusal;
    }
    if let Some(refusal) = crate::authorization::refuse_locked(world, request) {
        return refusal;
    }
    crate::providers::handle(world, request)
}

/// `POST /subscriptions/{s}/providers/{ns}/register`
fn is_registration(request: &Request) -> bool {
    request.group.is_none()
        && request.names.is_empty()
        && matches!(request.kind().as_str(), "register" | "unregister")
}

fn refuse_place(world: &World, request: &Request) -> Option<SimResponse> {
    let name = request.group.as_ref()?;
    let Some(group) = world.groups.get(&name.to_ascii_lowercase()) else {
        return Some(crate::resources::groups::not_found(name));
    };
    let creates = matches!(request.method.as_str(), "PUT" | "PATCH" | "POST");
    if creates && group.state == ProvisioningState::Deleting {
        return Some(
            SimResponse::arm_error(
                409,
                "ResourceGroupBeingDeleted",
                &format!("The resource group '{name}' is in deprovisioning state and cannot perform this operation."),
            )
            .by_gateway(),
        );
    }
    None
}

fn refuse_provider(world: &World, request: &Request) -> Option<SimResponse> {
    let namespace = &request.namespace;
    let Some(state) = world.registrations.get(&namespace.to_ascii_lowercase()) else {
        return Some(
            SimResponse::arm_error(
                404,
                "InvalidResourceNamespace",
                &format!("The resource namespace '{namespace}' is invalid."),
            )
            .by_gateway(),
        );
    };
    let writes = !matches!(request.method.as_str(), "GET" | "HEAD" | "DELETE");
    if writes && *state != Registration::Registered {
        let message = format!(
            "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions."
        );
        let error = serde_json::json!({"error": {
            "code": "MissingSubscriptionRegistration",
            "message": message,
            "details": [{"code": "MissingSubscriptionRegistration", "target": namespace, "message": message}],
        }});
        return Some(SimResponse::json(409, &error).by_gateway());
    }
    let named = request.named_types().join("/");
    let whole = request.types.join("/");
    let known = |kind: &str| crate::providers::kind(namespace, kind).is_some();
    if known(&whole) || (request.is_collection() && !named.is_empty() && known(&named)) {
        return None;
    }
    Some(request.no_such_type())
}
