//! Pool images: the operating system of the nodes and the Batch node agent that fits it.

use serde::Serialize;

use crate::ids::ResourceId;

/// What a pool's nodes boot. The node agent must fit the image (Batch refuses other pairs).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolImage {
    /// From the Marketplace, without a purchase plan.
    Marketplace {
        /// Such as `canonical`.
        publisher: String,
        /// Such as `ubuntu-24_04-lts`.
        offer: String,
        /// Such as `server`.
        sku: String,
        /// A version or `latest`.
        version: String,
        /// Such as `batch.node.ubuntu 24.04`.
        node_agent: String,
    },
    /// A Compute Gallery image version of your own, Ubuntu 24.04 inside.
    Gallery {
        /// `…/galleries/{g}/images/{i}/versions/{v}`, or without the version for the latest.
        id: ResourceId,
        /// Such as `batch.node.ubuntu 24.04`.
        node_agent: String,
    },
}

/// The node agent of Ubuntu 24.04 (azure-batch node agent release notes, 1.12.2).
pub const AGENT_2404: &str = "batch.node.ubuntu 24.04";
/// The node agent of Ubuntu 22.04.
pub const AGENT_2204: &str = "batch.node.ubuntu 22.04";

/// Marketplace images that Batch supports: alias in the farm file, publisher, offer, sku, node agent.
pub const KNOWN: &[(&str, &str, &str, &str, &str)] = &[
    ("ubuntu-24.04", "canonical", "ubuntu-24_04-lts", "server", AGENT_2404),
    ("ubuntu-22.04", "canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", AGENT_2204),
    ("ubuntu-hpc-24.04", "microsoft-dsvm", "ubuntu-hpc", "2404", AGENT_2404),
    ("ubuntu-hpc-22.04", "microsoft-dsvm", "ubuntu-hpc", "2204", AGENT_2204),
];

impl PoolImage {
    /// Reads the farm file's `image`: an alias of [`KNOWN`], a URN `publisher:offer:sku[:version]` of one of them,
    /// or the id of a Compute Gallery image. `None` when it is none of these.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(id) = text.parse::<ResourceId>() {
            let gallery = id.is_kind("Microsoft.Compute/galleries/images")
                || id.is_kind("Microsoft.Compute/galleries/images/versions");
            return gallery.then(|| Self::Gallery { id, node_agent: AGENT_2404.to_owned() });
        }
        let urn: Vec<&str> = text.split(':').collect();
        KNOWN.iter().find_map(|(alias, publisher, offer, sku, agent)| {
            let version = match urn.as_slice() {
                [name] if name.eq_ignore_ascii_case(alias) => "latest",
                [p, o, s, rest @ ..]
                    if rest.len() <= 1
                        && p.eq_ignore_ascii_case(publisher)
                        && o.eq_ignore_ascii_case(offer)
                        && s.eq_ignore_ascii_case(sku)
                        && rest.iter().all(|version| !version.is_empty()) =>
                {
                    rest.first().copied().unwrap_or("latest")
                }
                _ => return None,
            };
            Some(Self::Marketplace {
                publisher: (*publisher).to_owned(),
                offer: (*offer).to_owned(),
                sku: (*sku).to_owned(),
                version: version.to_owned(),
                node_agent: (*agent).to_owned(),
            })
        })
    }

    /// The node agent that fits.
    pub fn node_agent(&self) -> &str {
        match self {
            Self::Marketplace { node_agent, .. } | Self::Gallery { node_agent, .. } => node_agent,
        }
    }
}
