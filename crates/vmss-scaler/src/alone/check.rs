//! What can be wrong with the file before Azure is asked: all of it at once, each with its key.

use flamenco_azure_core::arm::Cloud;
use flamenco_azure_core::ids::{Location, ResourceId, SubscriptionId};
use flamenco_azure_core::name::{self, Kind};
use flamenco_azure_core::spec::{CloudName, FleetImage, SshPublicKey};
use flamenco_azure_core::tags;

use super::file::{AloneFile, AlonePoolFile, ImageText, MachineFile, NfsFile};
use super::{Alone, Machine, OwnMachine, PoolGuest, desired};
use crate::file::{Finding, PlacementFile, PoolFile, ScalerFile};
use crate::guest::{IdleWatch, NfsBootstrap, SpotWatch};
use crate::names::Names;
use crate::spec::Priority;
use crate::surroundings::{Place, PlacePool};
use crate::template::ImageReference;

/// Two burstable cores: the scaler waits most of the time.
const MACHINE_SIZE: &str = "Standard_B2s_v2";
/// The only pool of a file that lists none.
const POOL: &str = "nodes";
const SUBNET: &str = "Microsoft.Network/virtualNetworks/subnets";
const VM: &str = "Microsoft.Compute/virtualMachines";

impl Alone {
    /// Checks the file.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn read(file: &AloneFile) -> Result<Self, Vec<Finding>> {
        let mut check = Check { findings: Vec::new(), file };
        let alone = check.all();
        match alone {
            Some(alone) if check.findings.is_empty() => Ok(alone),
            _ => Err(check.findings),
        }
    }
}

struct Check<'a> {
    file: &'a AloneFile,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn wrong(&mut self, field: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.findings.push(Finding::new(field, what, remedy));
    }

    fn given(&mut self, field: &str, value: Option<&String>) -> Option<String> {
        let text = value.map(|text| text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        if text.is_none() {
            self.wrong(field, "it is missing", "say it in the file");
        }
        text
    }

    fn named(&mut self, field: &str, kind: Kind, value: Option<&String>) -> Option<String> {
        let text = self.given(field, value)?;
        self.legal(field, kind, &text);
        Some(text)
    }

    fn legal(&mut self, field: &str, kind: Kind, text: &str) {
        if let Err(error) = name::check(kind, text) {
            self.wrong(field, error.to_string(), format!("for example `{}`", name::suggest(kind, text)));
        }
    }

    fn parsed<T: std::str::FromStr<Err = E>, E: std::error::Error>(
        &mut self,
        field: &str,
        value: Option<&String>,
    ) -> Option<T> {
        let text = self.given(field, value)?;
        text.parse().map_err(|error: E| self.wrong(field, error.to_string(), "correct it")).ok()
    }

    fn id(&mut self, field: &str, text: &str, kind: &str) -> Option<ResourceId> {
        let id = text.trim().parse::<ResourceId>().ok().filter(|id| id.is_kind(kind));
        if id.is_none() {
            let remedy = format!("`/subscriptions/…/resourceGroups/…/providers/{kind}/…`, as `az` prints it");
            self.wrong(field, format!("`{text}` is not the id of one of {kind}"), remedy);
        }
        id
    }

    fn all(&mut self) -> Option<Alone> {
        let file = self.file;
        if file.admin_password.is_some() {
            self.wrong("adminPassword", "there are no passwords", "delete it and give `sshPublicKey`");
        }
        if file.rbac_role_assignment_unique_id.is_some() {
            let what = "the names of role assignments follow from farm, scope and role";
            self.wrong("rbacRoleAssignmentUniqueId", what, "delete it");
        }
        for tag in file.tags.keys().filter(|tag| tags::is_reserved(tag)) {
            self.wrong(&format!("tags.{tag}"), "the name is reserved for ownership", "choose another name");
        }
        let cloud = file.cloud.clone().unwrap_or_else(|| CloudName::Public.as_str().to_owned());
        if Cloud::by_name(&cloud).is_none() {
            self.wrong("cloud", format!("`{cloud}` is unknown"), "write public, usgov or china");
        }
        let subscription: Option<SubscriptionId> = self.parsed("subscription", file.subscription.as_ref());
        let location: Option<Location> = self.parsed("location", file.location.as_ref());
        let group = self.named("resourceGroup", Kind::ResourceGroup, file.resource_group.as_ref());
        let farm = self.named("farm", Kind::Farm, file.farm.as_ref());
        let account = self.named("storageAccount", Kind::StorageAccount, file.storage_account.as_ref());
        let key = self.key();
        let admin = file.admin_username.clone().unwrap_or_else(|| "flamenco".to_owned());
        self.login(&admin);
        let subnet = self.common_subnet(subscription.as_ref());
        let nfs = self.common_nfs();
        let (subscription, location, farm) = (subscription?, location?, farm?);
        let group = ResourceId::group(&subscription, &group?);
        let machine = self.machine(&group, &farm, subnet.as_ref(), nfs.as_ref());
        let mut pools = Vec::new();
        for (index, pool) in self.pools().iter().enumerate() {
            let at = |field: &str| {
                if file.pools.is_empty() { field.to_owned() } else { format!("pools[{index}].{field}") }
            };
            pools.extend(self.pool(&at, pool, &farm, &group, subnet.as_ref(), nfs.as_ref()));
        }
        let (account, key) = (account?, key?);
        for (pool, ..) in &mut pools {
            pool.admin_username.clone_from(&admin);
            key.as_str().clone_into(&mut pool.ssh_public_key);
            pool.tags.clone_from(&file.tags);
            pool.node_identity = Some(node_identity(&group, &farm));
        }
        let place = Place {
            farm: farm.clone(),
            subscription: subscription.clone(),
            location: location.clone(),
            account: account.clone(),
            storage_suffix: storage_suffix(&cloud).to_owned(),
            node_identity: node_identity(&group, &farm),
            tags: file.tags.clone(),
            pools: pools.iter().map(|(pool, _, nodes)| place_pool(pool, *nodes)).collect(),
            group: group.clone(),
        };
        let guests = pools.iter().map(|(_, guest, _)| guest.clone()).collect();
        let file = ScalerFile {
            cloud,
            subscription,
            location,
            resource_group: group.name().to_owned(),
            farm,
            storage_account: account,
            client_id: None,
            pools: pools.into_iter().map(|(pool, ..)| pool).collect(),
        };
        let ssh_public_key = key.as_str().to_owned();
        let alone = Alone { file, place, machine: machine?, admin, ssh_public_key, guests };
        // What goes into documents is checked where they are made.
        if let Err(error) = alone.scaler_file(None, None) {
            self.wrong("pools", error.to_string(), "correct it");
        }
        if let Machine::Own(own) = &alone.machine {
            let bootstrap = own.bootstrap.clone();
            let node = crate::guest::NodeGuest { bootstrap, ..crate::guest::NodeGuest::default() };
            if let Err(error) = crate::guest::node_cloud_init(&node) {
                self.wrong("machine", error.to_string(), "correct it");
            }
        }
        Some(alone)
    }

    fn key(&mut self) -> Option<SshPublicKey> {
        let text = self.given("sshPublicKey", self.file.ssh_public_key.as_ref())?;
        text.parse::<SshPublicKey>()
            .map_err(|error| self.wrong("sshPublicKey", error.to_string(), error.remedy()))
            .ok()
    }

    /// Names that Azure refuses (Microsoft's page "Frequently asked questions about Linux VMs") end no deploy halfway.
    fn login(&mut self, admin: &str) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        let fits = (1..=32).contains(&admin.len())
            && admin.chars().all(plain)
            && admin.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        if !fits || ["root", "admin", "administrator", "user", "test", "guest"].contains(&admin) {
            let what = format!("`{admin}` cannot be a login");
            let remedy = "lower-case letters, digits, `_` and `-`, and none that every system has";
            self.wrong("adminUsername", what, remedy);
        }
    }

    fn common_subnet(&mut self, subscription: Option<&SubscriptionId>) -> Option<ResourceId> {
        let file = self.file;
        let old = [
            ("virtualNetworkResourceGroup", &file.virtual_network_resource_group),
            ("virtualNetworkName", &file.virtual_network_name),
            ("virtualNetworkSubnetName", &file.virtual_network_subnet_name),
        ];
        if let Some(text) = &file.subnet {
            if let Some((field, _)) = old.iter().find(|(_, value)| value.is_some()) {
                self.wrong(field, "`subnet` says it already", "delete one of them");
            }
            return self.id("subnet", text, SUBNET);
        }
        if old.iter().all(|(_, value)| value.is_none()) {
            return None;
        }
        let [group, network, name] = old.map(|(field, value)| self.given(field, value.as_ref()));
        let group = ResourceId::group(subscription?, &group?);
        let id = group.resource("Microsoft.Network/virtualNetworks", &network?).child("subnets", &name?);
        self.id("virtualNetworkSubnetName", id.as_str(), SUBNET)
    }

    fn common_nfs(&mut self) -> Option<NfsFile> {
        let file = self.file;
        match (&file.nfs, &file.bootstrap_nfs_ip, &file.nfs_export_path) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                self.wrong("bootstrapNFSIP", "`nfs` says it already", "delete one of them");
                None
            }
            (nfs, None, None) => nfs.clone(),
            (None, Some(host), Some(path)) => Some(NfsFile {
                export: format!("{}:{}", host.trim(), path.trim()),
                mount: None,
                options: None,
            }),
            (None, None, Some(_)) => {
                self.wrong("bootstrapNFSIP", "it is missing beside `nfsExportPath`", "say it in the file");
                None
            }
            (None, Some(_), None) => {
                self.wrong("nfsExportPath", "it is missing beside `bootstrapNFSIP`", "say it in the file");
                None
            }
        }
    }

    fn bootstrap(
        &mut self,
        field: &str,
        script: Option<&String>,
        own: Option<&NfsFile>,
        common: Option<&NfsFile>,
    ) -> Option<NfsBootstrap> {
        let Some(script) = script else {
            if own.is_some() {
                self.wrong(field, "there is an export and no script on it to run", "say it in the file");
            }
            return None;
        };
        let Some(nfs) = own.or(common) else {
            self.wrong(field, "there is no export that it is on", "describe it with `nfs: {export, mount}`");
            return None;
        };
        let mut bootstrap = NfsBootstrap::new(&nfs.export, script);
        bootstrap.mount_point = nfs.mount.clone().unwrap_or(bootstrap.mount_point);
        bootstrap.options = nfs.options.clone().unwrap_or(bootstrap.options);
        Some(bootstrap)
    }

    fn image(&mut self, field: &str, image: &ImageText) -> Option<ImageReference> {
        let text = match image {
            ImageText::Whole(ImageReference::Own { id }) => id.as_str(),
            ImageText::Whole(whole) => return Some(whole.clone()),
            ImageText::Text(text) => text.as_str(),
        };
        let Some(found) = FleetImage::parse(text) else {
            let remedy = "give the id of a managed image or of a compute gallery's image, or `publisher:offer:sku:version`";
            self.wrong(field, format!("`{text}` is no image"), remedy);
            return None;
        };
        Some(match found {
            FleetImage::Marketplace { publisher, offer, sku, version } => {
                ImageReference::Marketplace { publisher, offer, sku, version }
            }
            FleetImage::Gallery { id } | FleetImage::Managed { id } => ImageReference::Own { id },
        })
    }

    fn machine(
        &mut self,
        group: &ResourceId,
        farm: &str,
        subnet: Option<&ResourceId>,
        nfs: Option<&NfsFile>,
    ) -> Option<Machine> {
        let MachineFile { existing, vm_name, vm_size, image, .. } = &self.file.machine;
        let machine = &self.file.machine;
        let script = machine.bootstrap_script.as_ref().or(self.file.vmscaler_bootstrap_script_path.as_ref());
        if let Some(text) = existing {
            let others = MachineFile { existing: existing.clone(), ..MachineFile::default() };
            if *machine != others || script.is_some() || self.file.vmscaler_vm_size.is_some() {
                let what = "an existing VM is taken as it is: size, image, subnet and script say nothing";
                self.wrong("machine.existing", what, "delete the other keys of `machine`, or this one");
            }
            return self.id("machine.existing", text, VM).map(Machine::Existing);
        }
        let name = vm_name.clone().unwrap_or_else(|| format!("{farm}-scaler"));
        self.legal("machine.vmName", Kind::VirtualMachine, &name);
        let subnet = match &machine.subnet {
            Some(text) => self.id("machine.subnet", text, SUBNET),
            None => subnet.cloned(),
        };
        if subnet.is_none() && machine.subnet.is_none() {
            self.wrong(
                "machine.subnet",
                "it is missing",
                "say it here, or as `subnet` for machine and nodes",
            );
        }
        let image = match image {
            Some(image) => self.image("machine.image", image),
            None => Some(desired::default_image()),
        };
        let bootstrap = self.bootstrap("machine.bootstrapScript", script, machine.nfs.as_ref(), nfs);
        let size = vm_size.as_ref().or(self.file.vmscaler_vm_size.as_ref());
        Some(Machine::Own(Box::new(OwnMachine {
            vm: group.resource(VM, &name),
            nic: group.resource("Microsoft.Network/networkInterfaces", &format!("{name}-nic")),
            vm_size: size.cloned().unwrap_or_else(|| MACHINE_SIZE.to_owned()),
            subnet: subnet?,
            image: image?,
            bootstrap,
        })))
    }

    /// The pools as listed, or the one that the top of the file describes.
    fn pools(&self) -> Vec<AlonePoolFile> {
        if !self.file.pools.is_empty() {
            return self.file.pools.clone();
        }
        vec![AlonePoolFile { name: POOL.to_owned(), ..AlonePoolFile::default() }]
    }

    fn pool(
        &mut self,
        at: &dyn Fn(&str) -> String,
        pool: &AlonePoolFile,
        farm: &str,
        group: &ResourceId,
        subnet: Option<&ResourceId>,
        nfs: Option<&NfsFile>,
    ) -> Option<(PoolFile, PoolGuest, u32)> {
        let file = self.file;
        self.legal(&at("name"), Kind::Fleet, &pool.name);
        if let Err(error) = Names::new(group.as_str(), farm, &pool.name).check() {
            let what = flamenco_azure_core::error::chain(&error);
            self.wrong(&at("name"), what, "begin `farm` with a letter, and shorten it or the pool's name");
        }
        let max_nodes = pool.max_nodes.or(file.max_nodes);
        match max_nodes {
            None => self.wrong(&at("maxNodes"), "it is missing", "the most nodes ever, whatever a tag says"),
            Some(0) => self.wrong(&at("maxNodes"), "it is 0: no node could ever run", "raise it"),
            Some(_) => {}
        }
        let nodes = pool.nodes.or(file.nodes).unwrap_or(0);
        if let Some(most) = max_nodes.filter(|most| nodes > *most) {
            let what = format!("{nodes} is more than maxNodes, which is {most}");
            self.wrong(&at("nodes"), what, "lower it, or raise `maxNodes`");
        }
        let size = pool.vm_size.as_ref().or(file.vm_size.as_ref());
        let placements = pool.placements.clone().or_else(|| {
            let vm_size = size?.clone();
            Some(vec![PlacementFile { vm_size, zone: None, priority: Priority::Spot }])
        });
        if placements.as_ref().is_none_or(Vec::is_empty) {
            let remedy = "list `placements: [{vmSize, zone, priority}]`, or say one `vmSize`";
            self.wrong(&at("placements"), "there is none", remedy);
        }
        let image = pool.image.as_ref().or(file.image.as_ref());
        if image.is_none() {
            self.wrong(&at("image"), "it is missing", "the image that nodes boot: an id, or `ubuntu-24.04`");
        }
        let image = image.and_then(|image| self.image(&at("image"), image));
        let subnet = match &pool.subnet {
            Some(text) => self.id(&at("subnet"), text, SUBNET),
            None => subnet.cloned(),
        };
        if subnet.is_none() && pool.subnet.is_none() {
            self.wrong(&at("subnet"), "it is missing", "the id of the nodes' subnet");
        }
        let script = pool.bootstrap_script.as_ref().or(file.bootstrap_script.as_ref());
        let bootstrap = self.bootstrap(&at("bootstrapScript"), script, pool.nfs.as_ref(), nfs);
        let spot =
            pool.eviction_hook.clone().map(|hook| SpotWatch { hook: Some(hook), ..SpotWatch::default() });
        let delete_by_message = pool.delete_by_message.unwrap_or(true);
        let idle = pool.idle.clone().map(|idle| IdleWatch { check: idle.check, minutes: idle.minutes });
        if idle.is_some() && !delete_by_message {
            self.wrong(
                &at("idle"),
                "its nodes may not ask for their deletion",
                "set `deleteByMessage: true`",
            );
        }
        let guest = PoolGuest { bootstrap, spot, idle };
        let pool_file = PoolFile {
            name: pool.name.clone(),
            max_nodes: max_nodes.unwrap_or(0),
            placements: placements.unwrap_or_default(),
            on_demand_percent: pool.on_demand_percent.unwrap_or(100),
            overprovision: pool.overprovision.unwrap_or(0),
            vms_per_scale_set: pool.vms_per_scale_set.or(file.vms_per_scale_set),
            payload: pool.payload,
            orchestration: pool.orchestration,
            max_price: pool.max_price.map(|usd| usd.to_string()),
            boot_budget_minutes: pool.boot_budget_minutes.unwrap_or_else(crate::file::boot_budget),
            delete_by_message,
            image: image?,
            os_disk_gib: pool.os_disk_gib.unwrap_or_else(crate::file::os_disk),
            subnet: subnet?,
            // These four are said later.
            admin_username: String::new(),
            ssh_public_key: String::new(),
            node_identity: None,
            custom_data: None,
            tags: tags::Tags::default(),
        };
        Some((pool_file, guest, nodes))
    }
}

fn node_identity(group: &ResourceId, farm: &str) -> ResourceId {
    group.resource(flamenco_azure_core::plan::IDENTITY, &format!("{farm}-nodes-identity"))
}

fn place_pool(pool: &PoolFile, nodes: u32) -> PlacePool {
    PlacePool {
        name: pool.name.clone(),
        nodes,
        delete_by_message: pool.delete_by_message,
        subnet: pool.subnet.clone(),
        image: match &pool.image {
            ImageReference::Marketplace { .. } => None,
            ImageReference::Own { id } => Some(id.clone()),
        },
    }
}

fn storage_suffix(cloud: &str) -> &'static str {
    [CloudName::Public, CloudName::Usgov, CloudName::China]
        .into_iter()
        .find(|one| one.as_str() == cloud)
        .unwrap_or(CloudName::Public)
        .storage_suffix()
}
