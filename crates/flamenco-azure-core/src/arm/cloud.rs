//! Azure's clouds: endpoints, audiences, and which hosts may be sent a token.

use url::Url;

use super::request::Plane;

/// One of Azure's clouds. Tokens go to its own hosts and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// The name as the Azure CLI spells it, such as `AzureCloud`.
    pub name: &'static str,
    /// Azure Resource Manager's base URL without a trailing slash.
    pub arm_endpoint: &'static str,
    /// Scope of Resource Manager tokens.
    pub arm_scope: &'static str,
    /// Suffix of the Batch data plane's hosts, starting with a dot.
    pub batch_suffix: &'static str,
    /// Scope of Batch data plane tokens (the double slash is Azure's: Microsoft's page "Authenticate Batch service
    /// solutions with Microsoft Entra ID").
    pub batch_scope: &'static str,
    /// Microsoft Graph's base URL (Microsoft's page "National cloud deployments").
    pub graph_endpoint: &'static str,
    /// Scope of Graph tokens.
    pub graph_scope: &'static str,
    /// Base URL of the login service.
    pub login: &'static str,
    /// The portal, for hints.
    pub portal: &'static str,
}

/// Where the retail price list lives; the same for all clouds, and public.
pub const PRICES_ENDPOINT: &str = "https://prices.azure.com";

impl Cloud {
    /// The public cloud.
    pub fn public() -> Self {
        Self {
            name: "AzureCloud",
            arm_endpoint: "https://management.azure.com",
            arm_scope: "https://management.azure.com/.default",
            batch_suffix: ".batch.azure.com",
            batch_scope: "https://batch.core.windows.net//.default",
            graph_endpoint: "https://graph.microsoft.com",
            graph_scope: "https://graph.microsoft.com/.default",
            login: "https://login.microsoftonline.com",
            portal: "https://portal.azure.com",
        }
    }

    /// Azure Government.
    pub fn usgov() -> Self {
        Self {
            name: "AzureUSGovernment",
            arm_endpoint: "https://management.usgovcloudapi.net",
            arm_scope: "https://management.usgovcloudapi.net/.default",
            batch_suffix: ".batch.usgovcloudapi.net",
            batch_scope: "https://batch.core.usgovcloudapi.net//.default",
            graph_endpoint: "https://graph.microsoft.us",
            graph_scope: "https://graph.microsoft.us/.default",
            login: "https://login.microsoftonline.us",
            portal: "https://portal.azure.us",
        }
    }

    /// Azure operated by 21Vianet.
    pub fn china() -> Self {
        Self {
            name: "AzureChinaCloud",
            arm_endpoint: "https://management.chinacloudapi.cn",
            arm_scope: "https://management.chinacloudapi.cn/.default",
            batch_suffix: ".batch.chinacloudapi.cn",
            batch_scope: "https://batch.chinacloudapi.cn//.default",
            graph_endpoint: "https://microsoftgraph.chinacloudapi.cn",
            graph_scope: "https://microsoftgraph.chinacloudapi.cn/.default",
            login: "https://login.chinacloudapi.cn",
            portal: "https://portal.azure.cn",
        }
    }

    /// The cloud of this name: `public`, `usgov`, `china`, or the Azure CLI's spelling.
    pub fn by_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "public" | "azurecloud" | "azurepublic" => Some(Self::public()),
            "usgov" | "azureusgovernment" | "azuregovernment" => Some(Self::usgov()),
            "china" | "azurechinacloud" | "azurechina" => Some(Self::china()),
            _ => None,
        }
    }

    /// Whether `url` belongs to `plane`: https, default port, no user name, and exactly one of the plane's own hosts.
    /// Asked of every URL before it is sent, so that a link in an answer cannot carry a token elsewhere.
    pub fn owns(&self, plane: &Plane, url: &Url) -> bool {
        if url.scheme() != "https"
            || url.port().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return false;
        }
        let Some(url::Host::Domain(host)) = url.host() else { return false };
        match plane {
            Plane::Arm => {
                let own = self.arm_endpoint.trim_start_matches("https://");
                // Regional endpoints (`westeurope.management.azure.com`) appear in operation links.
                host == own
                    || host.strip_suffix(own).is_some_and(|label| label.ends_with('.') && label.len() > 1)
            }
            Plane::Batch(account) => {
                let account = account.trim_start_matches("https://").trim_end_matches('/');
                host.eq_ignore_ascii_case(account)
                    && host.strip_suffix(self.batch_suffix).is_some_and(|label| !label.is_empty())
            }
            Plane::Graph => host == self.graph_endpoint.trim_start_matches("https://"),
            Plane::Public(base) => Url::parse(base)
                .ok()
                .is_some_and(|base| base.host_str() == Some(host) && base.scheme() == "https"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owns(plane: &Plane, url: &str) -> bool {
        Cloud::public().owns(plane, &Url::parse(url).unwrap())
    }

    #[test]
    fn tokens_go_to_the_clouds_own_hosts_only() {
        let table = [
            ("https://management.azure.com/x", true),
            ("https://MANAGEMENT.azure.com/x", true),
            ("https://westeurope.management.azure.com/x", true),
            ("https://management.azure.com:443/x", true),
            ("http://management.azure.com/x", false),
            ("https://management.azure.com:8443/x", false),
            ("https://management.azure.com.evil.example/x", false),
            ("https://evilmanagement.azure.com/x", false),
            ("https://management.azure.com@evil.example/x", false),
            ("https://user@management.azure.com/x", false),
            ("https://evil.example/management.azure.com", false),
            ("https://169.254.169.254/x", false),
            ("https://management.usgovcloudapi.net/x", false),
            ("https://management.azure.com./x", false),
        ];
        for (url, expected) in table {
            assert_eq!(owns(&Plane::Arm, url), expected, "{url}");
        }
    }

    #[test]
    fn a_token_for_the_directory_goes_to_the_clouds_own_graph() {
        assert!(owns(&Plane::Graph, "https://graph.microsoft.com/v1.0/me"));
        for other in
            ["https://graph.microsoft.us/x", "https://graph.windows.net/x", "https://management.azure.com/x"]
        {
            assert!(!owns(&Plane::Graph, other), "{other}");
        }
        assert!(!owns(&Plane::Arm, "https://graph.microsoft.com/x"));
    }

    #[test]
    fn a_batch_link_stays_with_its_account() {
        let plane = Plane::Batch("farm.westeurope.batch.azure.com".into());
        assert!(owns(&plane, "https://farm.westeurope.batch.azure.com/pools"));
        assert!(!owns(&plane, "https://other.westeurope.batch.azure.com/pools"));
        assert!(!owns(&plane, "https://management.azure.com/pools"));
        assert!(!owns(&Plane::Batch("evil.example".into()), "https://evil.example/pools"));
    }

    #[test]
    fn clouds_are_found_by_either_name() {
        for (name, cli) in
            [("public", "AzureCloud"), ("usgov", "AzureUSGovernment"), ("china", "AzureChinaCloud")]
        {
            assert_eq!(Cloud::by_name(name).unwrap().name, cli);
            assert_eq!(Cloud::by_name(cli).unwrap().name, cli);
        }
        assert_eq!(Cloud::by_name("mars"), None);
    }
}
