//! Sign-in with a certificate: behind a feature, for `azure_identity` does it with OpenSSL.

use std::path::Path;
use std::sync::Arc;

use azure_core::credentials::{Secret, TokenCredential};

use super::chain::failed;
use crate::arm::Cloud;

#[cfg(feature = "client-certificate")]
pub(super) fn credential(
    tenant: &str,
    client: &str,
    file: &Path,
    password: Option<Secret>,
    cloud: &Cloud,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    use azure_core::credentials::SecretBytes;
    use azure_identity::{ClientCertificateCredential, ClientCertificateCredentialOptions};

    let bytes = std::fs::read(file)
        .map_err(|error| failed(format!("the certificate {} cannot be read: {error}", file.display())))?;
    let options =
        ClientCertificateCredentialOptions { client_options: super::chain::client_options(cloud), password };
    let credential = ClientCertificateCredential::new(
        tenant.to_owned(),
        client.to_owned(),
        SecretBytes::from(bytes),
        Some(options),
    )?;
    Ok(credential)
}

#[cfg(not(feature = "client-certificate"))]
pub(super) fn credential(
    _: &str,
    _: &str,
    _: &Path,
    _: Option<Secret>,
    _: &Cloud,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let build = "cargo install flamenco-azure-cli --features client-certificate";
    Err(failed(format!("this program was built without certificates: `{build}` makes one with them")))
}
