//! The Manager and Blender.

use super::{Check, filled, syntax};
use crate::spec::error::Problem;
use crate::spec::farm::{Access, Blender, CidrList, Manager};
use crate::spec::{SshPublicKey, defaults};

impl Check<'_> {
    pub(super) fn manager(&mut self, vm_name: String) -> Option<Manager> {
        let spec = self.spec.manager.clone().unwrap_or_default();
        let access = spec.access.unwrap_or_default();
        let vm_size =
            self.size("manager.vmSize", filled(spec.vm_size.as_ref()).unwrap_or(defaults::MANAGER_VM_SIZE));
        let flamenco_version = self.flamenco(filled(spec.flamenco_version.as_ref()));
        let flamenco_sha256 = self.sha256("manager.flamencoSha256", filled(spec.flamenco_sha256.as_ref()));
        let ssh_public_key = filled(spec.ssh_public_key.as_ref()).and_then(|text| self.ssh_key(text));
        let hostname = filled(spec.hostname.as_ref()).and_then(|host| self.hostname(host));
        let access = Access {
            ssh: self.ranges("manager.access.ssh", access.ssh.as_deref()),
            web: self.ranges("manager.access.web", access.web.as_deref()),
        };
        Some(Manager {
            vm_name,
            vm_size: vm_size?,
            flamenco_version: flamenco_version?,
            flamenco_sha256,
            ssh_public_key,
            hostname,
            tls: spec.tls.unwrap_or(defaults::TLS),
            access,
        })
    }

    fn flamenco(&mut self, version: Option<&str>) -> Option<String> {
        let key = "manager.flamencoVersion";
        let text = version.unwrap_or(defaults::FLAMENCO_VERSION);
        let remedy =
            format!("use a version of Flamenco 3, such as `flamencoVersion: {}`", defaults::FLAMENCO_VERSION);
        // `2` alone is no version by syntax, but what is meant is plain.
        let major = text.trim_start_matches(['v', 'V']).split('.').next().and_then(|n| n.parse::<u32>().ok());
        match (major, syntax::version(text)) {
            (Some(0..=2), _) => self.find(key, Problem::Flamenco2(text.to_owned()), remedy),
            (Some(3), Some(_)) => return Some(text.to_owned()),
            (Some(4..), _) => self.value(key, format!("Flamenco {text} is not known to this tool"), remedy),
            _ => self.value(key, format!("`{text}` is not a version"), remedy),
        }
        None
    }

    pub(super) fn blender(&mut self) -> Option<Blender> {
        let spec = self.spec.blender.clone().unwrap_or_default();
        let text = filled(spec.version.as_ref()).unwrap_or(defaults::BLENDER_VERSION);
        let sha256 = self.sha256("blender.sha256", filled(spec.sha256.as_ref()));
        if matches!(syntax::version(text), Some((numbers, "")) if numbers.len() == 3) {
            return Some(Blender { version: text.to_owned(), sha256 });
        }
        let why = format!("`{text}` is not a Blender release with its patch number");
        self.value(
            "blender.version",
            why,
            format!("write it as in `version: {}`", defaults::BLENDER_VERSION),
        );
        None
    }

    fn sha256(&mut self, key: &str, text: Option<&str>) -> Option<String> {
        let text = text?;
        let sum = syntax::sha256(text);
        if sum.is_none() {
            let length = text.chars().count();
            let why = format!("a SHA-256 has 64 hexadecimal digits; this has {length} characters");
            self.value(key, why, "copy it from the publisher's .sha256 file, or delete the key");
        }
        sum
    }

    fn ssh_key(&mut self, text: &str) -> Option<SshPublicKey> {
        let result = text.parse();
        result
            .map_err(|error: crate::spec::SshKeyError| {
                let remedy = error.remedy();
                self.find("manager.sshPublicKey", Problem::SshKey(error), remedy);
            })
            .ok()
    }

    fn hostname(&mut self, host: &str) -> Option<String> {
        if let Some(why) = syntax::host_trouble(host) {
            let why = format!("`{host}` is not a host name: {why}");
            self.value("manager.hostname", why, "for example `hostname: render.example.org`");
            return None;
        }
        Some(host.to_ascii_lowercase())
    }

    fn ranges(&mut self, key: &str, list: Option<&[String]>) -> CidrList {
        let Some(list) = list else { return CidrList::Unset };
        let mut ranges = Vec::new();
        for (index, text) in list.iter().enumerate() {
            let key = format!("{key}[{index}]");
            match syntax::range(text) {
                Ok(net) if syntax::is_world(&net) && !self.overrides.allow_world => {
                    let remedy = "name the studio's own ranges, such as 203.0.113.0/24, or insist with `--allow-world`";
                    self.find(&key, Problem::OpenWorld(net.to_string()), remedy);
                }
                Ok(net) if net.addr().is_ipv6() => {
                    let why = format!("`{net}` is an IPv6 range, and the Manager's public address is IPv4");
                    self.value(
                        &key,
                        why,
                        "give the IPv4 range that you are seen with: `curl -4 https://ifconfig.me`",
                    );
                }
                Ok(net) if ranges.contains(&net) => {}
                Ok(net) => ranges.push(net),
                Err((why, meant)) => {
                    let remedy = match meant {
                        Some(net) => format!("did you mean `{net}`?"),
                        None => {
                            "ranges look like 203.0.113.0/24, single addresses like 203.0.113.7".to_owned()
                        }
                    };
                    self.value(&key, why, remedy);
                }
            }
        }
        CidrList::Only(ranges)
    }
}
