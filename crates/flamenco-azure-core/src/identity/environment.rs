//! What the machine and the user's settings offer for signing in.

use std::fmt;
use std::path::PathBuf;

use azure_core::credentials::Secret;

/// What the process's environment offers, as values. Secrets show in no output.
#[derive(Clone, Default)]
pub struct Environment {
    /// `AZURE_TENANT_ID`.
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// `AZURE_CLIENT_SECRET`.
    pub client_secret: Option<Secret>,
    /// `AZURE_CLIENT_CERTIFICATE_PATH`: a PKCS #12 file.
    pub client_certificate: Option<PathBuf>,
    /// `AZURE_CLIENT_CERTIFICATE_PASSWORD`.
    pub client_certificate_password: Option<Secret>,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    pub federated_token_file: Option<PathBuf>,
    /// Whether `IDENTITY_ENDPOINT` is set (App Service, Container Apps).
    pub identity_endpoint: bool,
    /// Whether this machine is known to be an Azure VM. Its identity is asked for only then, or when
    /// [`Self::identity_endpoint`] is set: elsewhere the metadata address is a black hole.
    pub on_azure_vm: bool,
    /// The auth file's path and text, if there is one.
    pub auth_file: Option<(PathBuf, String)>,
    /// The subscription to sign in for: the Azure CLI then takes the account that has it.
    pub subscription: Option<String>,
}

impl Environment {
    /// Picks the known variables out of an environment. Empty values count as unset.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        Self {
            tenant_id: get("AZURE_TENANT_ID"),
            client_id: get("AZURE_CLIENT_ID"),
            client_secret: get("AZURE_CLIENT_SECRET").map(Secret::from),
            client_certificate: get("AZURE_CLIENT_CERTIFICATE_PATH").map(PathBuf::from),
            client_certificate_password: get("AZURE_CLIENT_CERTIFICATE_PASSWORD").map(Secret::from),
            federated_token_file: get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
            identity_endpoint: get("IDENTITY_ENDPOINT").is_some(),
            on_azure_vm: false,
            auth_file: None,
            subscription: None,
        }
    }

    /// With the auth file's path and text.
    pub fn with_auth_file(mut self, file: Option<(PathBuf, String)>) -> Self {
        self.auth_file = file;
        self
    }

    /// On a machine that is an Azure VM: on Linux, `/sys/class/dmi/id/chassis_asset_tag` is then
    /// `7783-7084-3265-9085-8269-3286-77`.
    pub fn with_azure_vm(mut self, on_azure_vm: bool) -> Self {
        self.on_azure_vm = on_azure_vm;
        self
    }

    /// For this subscription.
    pub fn with_subscription(mut self, subscription: Option<String>) -> Self {
        self.subscription = subscription;
        self
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("tenant_id", &self.tenant_id)
            .field("client_id", &self.client_id)
            .field("auth_file", &self.auth_file.as_ref().map(|(path, _)| path))
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}
