//! The sign-in host and the cloud metadata, as far as clients need them to start.

use serde_json::json;

use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

const LOGIN: &str = "https://login.microsoftonline.com";

/// `/{tenant}/v2.0/.well-known/openid-configuration`, `/{tenant}/oauth2/v2.0/token`, instance discovery.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let tenant = request.segments.first().cloned().unwrap_or_default();
    let path = request.path.to_ascii_lowercase();
    if path.ends_with("/.well-known/openid-configuration") {
        return SimResponse::json(200, &openid(&tenant));
    }
    if path.ends_with("/discovery/instance") {
        return SimResponse::json(
            200,
            &json!({
                "tenant_discovery_endpoint": format!("{LOGIN}/{tenant}/v2.0/.well-known/openid-configuration"),
                "api-version": "1.1",
                "metadata": [{"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net", "aliases": ["login.microsoftonline.com"]}],
            }),
        );
    }
    if path.ends_with("/token") && request.method == "POST" {
        let token = format!("sim-{}", world.guid());
        return SimResponse::json(
            200,
            &json!({
                "token_type": "Bearer", "expires_in": 86_399, "ext_expires_in": 86_399, "access_token": token,
            }),
        );
    }
    SimResponse::arm_error(404, "NotFound", "No such page.")
}

fn openid(tenant: &str) -> serde_json::Value {
    json!({
        "issuer": format!("{LOGIN}/{tenant}/v2.0"),
        "authorization_endpoint": format!("{LOGIN}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{LOGIN}/{tenant}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{LOGIN}/{tenant}/oauth2/v2.0/devicecode"),
        "jwks_uri": format!("{LOGIN}/{tenant}/discovery/v2.0/keys"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "response_types_supported": ["code", "id_token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

/// The first api-version of `/metadata/endpoints` whose answer is one object instead of a list of clouds.
const ONE_CLOUD: &str = "2022-09-01";

/// `/metadata/endpoints?api-version=`: one object (what `az cloud register` reads), before 2022-09-01 a list.
pub(crate) fn endpoints(request: &Request) -> SimResponse {
    let cloud = cloud();
    if request.api_version.as_str() < ONE_CLOUD {
        return SimResponse::json(200, &json!([cloud]));
    }
    SimResponse::json(200, &cloud)
}

fn cloud() -> serde_json::Value {
    json!({
        "portal": "https://portal.azure.com",
        "name": "AzureSim",
        "resourceManager": "https://management.azure.com/",
        "authentication": {
            "loginEndpoint": format!("{LOGIN}/"),
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "media": "https://rest.media.azure.net",
        "graphAudience": "https://graph.windows.net/",
        "graph": "https://graph.windows.net/",
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "batch": "https://batch.core.windows.net/",
        "gallery": "https://gallery.azure.com/",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "activeDirectoryDataLake": "https://datalake.azure.net/",
        "vmImageAliasDoc": "https://management.azure.com/metadata/aliases.json",
        "suffixes": {
            "storage": "core.windows.net",
            "keyVaultDns": "vault.azure.net",
            "sqlServerHostname": "database.windows.net",
            "acrLoginServer": "azurecr.io",
            "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
            "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
        },
    })
}
