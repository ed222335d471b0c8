//! The kinds of credentials.

use std::fmt;

/// Where a token may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Source {
    /// A service principal's secret in `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`.
    EnvironmentSecret,
    /// A service principal's certificate in `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_CERTIFICATE_PATH` and
    /// `AZURE_CLIENT_CERTIFICATE_PASSWORD`; needs this crate's feature `client-certificate`.
    EnvironmentCertificate,
    /// A federated token file, as in Kubernetes and CI systems.
    WorkloadIdentity,
    /// The auth file that `az ad sp create-for-rbac --sdk-auth` used to write.
    AuthFile,
    /// The identity of the Azure machine this runs on.
    ManagedIdentity,
    /// Whoever is signed in with `az login`.
    AzureCli,
    /// Whoever is signed in with `azd auth login`.
    AzureDeveloperCli,
}

impl Source {
    /// Whether somebody configured it on purpose: its failure is then an error and no reason to try the next one.
    pub fn is_deliberate(self) -> bool {
        matches!(
            self,
            Self::EnvironmentSecret | Self::EnvironmentCertificate | Self::WorkloadIdentity | Self::AuthFile
        )
    }

    /// What to do to sign in this way.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::EnvironmentSecret => "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
            Self::EnvironmentCertificate => {
                "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_CERTIFICATE_PATH (a PKCS #12 file)"
            }
            Self::WorkloadIdentity => "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE",
            Self::AuthFile => {
                "set AZURE_AUTH_LOCATION to the file, or put client_credentials.json beside the farm file"
            }
            Self::ManagedIdentity => "run on an Azure machine with an identity",
            Self::AzureCli => "install the Azure CLI and run `az login`",
            Self::AzureDeveloperCli => "install azd and run `azd auth login`",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EnvironmentSecret => "environment (service principal)",
            Self::EnvironmentCertificate => "environment (certificate)",
            Self::WorkloadIdentity => "workload identity",
            Self::AuthFile => "auth file",
            Self::ManagedIdentity => "managed identity",
            Self::AzureCli => "Azure CLI",
            Self::AzureDeveloperCli => "Azure Developer CLI",
        })
    }
}
