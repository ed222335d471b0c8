//! From a scaler that stands alone to what is wanted of Azure.
//!
//! The scaler's machine is wanted only when everything that it fetches and uses is there: identities, roles, the account.
//! So a first deploy plans twice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flamenco_azure_core::arm::Request;
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::plan::{
    Action, Checkpoint, Desired, Grant, GroupWish, How, IDENTITY_API, Order, Plan, Step, Update, Verb,
    Wanted, tag_request,
};
use flamenco_azure_core::tags;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::documents::cloud_init;
use super::{Alone, Machine, OwnMachine};
use crate::file::ScalerFile;
use crate::guest::{GuestError, uninstall_script};
use crate::surroundings::{self, Around, EXPECT, INSTALLED, Install};
use crate::template::ImageReference;
use crate::wire::{COMPUTE_API, NETWORK_API};

/// The tag on an existing VM that says whose scaler runs on it.
pub const FOR: &str = "flamenco-farm-scaler-of";

/// What the machine gets, once everything else is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The scaler's own file.
    pub file: ScalerFile,
    /// Its installation.
    pub install: Install,
    /// The client id of the scaler's identity.
    pub client: Uuid,
}

impl Alone {
    /// Everything that is wanted. `roles`: those that are there or can be made; `ready`: absent while something that the
    /// machine needs is not there yet.
    ///
    /// # Errors
    /// When something cannot be written into a document.
    pub fn wanted(
        &self,
        inventory: &Inventory,
        around: &Around,
        roles: &[Grant],
        ready: Option<&Ready>,
    ) -> Result<Wanted, GuestError> {
        let mut resources = surroundings::resources(&self.place, around, roles);
        resources.push(self.scaler_identity());
        let mut orders = surroundings::orders(&self.place, around, inventory);
        let mut checkpoints = Vec::new();
        if let Machine::Own(own) = &self.machine {
            resources.push(self.nic(own));
        }
        if let Some(ready) = ready {
            match &self.machine {
                Machine::Own(own) => {
                    resources.push(self.own_vm(own, ready)?);
                    orders.extend(inventory.get(&own.vm).filter(|vm| stands_still(vm)).map(start));
                }
                Machine::Existing(vm) => {
                    let vm = inventory.get(vm).filter(|vm| !has_identity(vm, &self.identity()));
                    orders.extend(vm.map(|vm| self.adopt(vm)));
                }
            }
            checkpoints.push(self.installed(roles, ready));
        }
        Ok(Wanted {
            farm: self.place.farm.clone(),
            group: GroupWish {
                id: self.place.group.clone(),
                location: self.place.location.clone(),
                tags: self.place.tags.clone(),
            },
            resources,
            orders,
            absent: Vec::new(),
            checkpoints,
        })
    }

    fn resource(&self, id: ResourceId, purpose: &'static str, api_version: &'static str) -> Desired {
        let tags = tags::for_resource(&self.place.farm, &self.place.tags);
        let body = json!({"location": self.place.location.as_str(), "tags": tags});
        Desired {
            replace_remedy: "`flamenco-azure scaler remove FILE` and deploy again; nodes are made anew",
            ..Desired::new(id, api_version, purpose, body)
        }
    }

    fn scaler_identity(&self) -> Desired {
        self.resource(self.identity(), "scaler's identity", IDENTITY_API)
    }

    /// Without a public address and without a security group of ours: the network is somebody's, and they decide.
    fn nic(&self, own: &OwnMachine) -> Desired {
        let mut nic = self.resource(own.nic.clone(), "scaler's network interface", NETWORK_API);
        let config = json!({"subnet": {"id": own.subnet}, "privateIPAllocationMethod": "Dynamic"});
        nic.body["properties"] = json!({"ipConfigurations": [{"name": "primary", "properties": config}]});
        // A public address or a security group that people add stays: only the tags are sent again.
        nic.update = Update::Patch(&["/tags"]);
        nic
    }

    fn own_vm(&self, own: &OwnMachine, ready: &Ready) -> Result<Desired, GuestError> {
        let document = cloud_init(&self.place, own, &ready.file, &ready.install.program, ready.client)?;
        let name = own.vm.name();
        let mut vm = self.resource(own.vm.clone(), "scaler's VM", COMPUTE_API);
        vm.body["identity"] =
            json!({"type": "UserAssigned", "userAssignedIdentities": {self.identity().as_str(): {}}});
        vm.body["properties"] = json!({
            "hardwareProfile": {"vmSize": own.vm_size},
            "storageProfile": {
                "imageReference": own.image,
                "osDisk": {
                    "name": format!("{name}-os"), "createOption": "FromImage", "deleteOption": "Delete",
                    "caching": "ReadWrite", "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
                },
            },
            "osProfile": {
                "computerName": name,
                "adminUsername": self.admin,
                "customData": STANDARD.encode(document),
                "linuxConfiguration": {
                    "disablePasswordAuthentication": true,
                    "provisionVMAgent": true,
                    "ssh": {"publicKeys": [{
                        "path": format!("/home/{}/.ssh/authorized_keys", self.admin),
                        "keyData": self.ssh_public_key,
                    }]},
                },
            },
            "networkProfile": {"networkInterfaces": [{"id": own.nic, "properties": {"primary": true}}]},
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": true}},
        });
        // Images of one's own may be of any generation; the marketplace's default one boots trusted.
        if own.image == default_image() {
            vm.body["properties"]["securityProfile"] = json!({
                "securityType": "TrustedLaunch",
                "uefiSettings": {"secureBootEnabled": true, "vTpmEnabled": true},
            });
        }
        vm.after = vec![own.nic.clone(), self.identity()];
        // Fixed at creation. What the scaler is to do now is brought by the installation.
        vm.create_only = &["/properties/osProfile", "/properties/storageProfile"];
        vm.replace_on = &["/identity", "/properties/networkProfile", "/properties/securityProfile"];
        vm.update = Update::Patch(&["/tags", "/properties/hardwareProfile"]);
        Ok(vm)
    }

    /// The scaler is installed as it should be. It also waits for what cloud-init does on a new machine, and says what
    /// went wrong there.
    fn installed(&self, roles: &[Grant], ready: &Ready) -> Checkpoint {
        let vm = self.vm().clone();
        let mut script = match self.machine {
            Machine::Own(_) => WAIT.iter().map(|line| (*line).to_owned()).collect(),
            Machine::Existing(_) => Vec::new(),
        };
        script.extend(ready.install.script.iter().cloned());
        let mut after: Vec<ResourceId> =
            roles.iter().filter_map(|grant| grant.id(&self.place.farm)).collect();
        // A scaler that knew its pool before its target would remove its nodes.
        after.extend([self.place.programs(), self.place.targets()]);
        Checkpoint {
            purpose: "scaler",
            after,
            how: How::Ask(run_command(&vm, &script), EXPECT.to_owned()),
            evidence: Some((format!("/tags/{INSTALLED}"), json!(ready.install.digest))),
            after_each_step: true,
            mark: Some(tag_request(&vm, "Merge", &self.marks(&ready.install.digest))),
            resource: vm,
        }
    }

    /// The tags on the machine.
    fn marks(&self, digest: &str) -> Value {
        match self.machine {
            Machine::Own(_) => json!({INSTALLED: digest}),
            Machine::Existing(_) => json!({INSTALLED: digest, FOR: self.owner()}),
        }
    }

    /// The value of [`FOR`]: farms of different groups may have one name.
    pub fn owner(&self) -> String {
        format!("{} in {}", self.place.farm, self.place.group.name())
    }

    /// Gives an existing VM the scaler's identity, beside those that it has.
    fn adopt(&self, vm: &Observed) -> Order {
        let mut ids = assigned(vm);
        ids.insert(self.identity().as_str().to_owned(), json!({}));
        let kind = if has_system(vm) { "SystemAssigned, UserAssigned" } else { "UserAssigned" };
        let body = json!({"identity": {"type": kind, "userAssignedIdentities": ids}});
        Order {
            resource: vm.id.clone(),
            verb: Verb::Update,
            purpose: "scaler's VM",
            reason: "gets the scaler's identity; its others stay".to_owned(),
            after: vec![self.identity()],
            action: Action::Send { request: Request::patch(vm.id.as_str(), body).api_version(COMPUTE_API) },
        }
    }

    /// Takes the scaler off an existing VM, as observed with its instance view: program, identity, tags. Nothing of it for
    /// a VM that this scaler is not on.
    pub fn withdrawal(&self, vm: &Observed) -> Plan {
        let mut plan = Plan { farm: self.place.farm.clone(), ..Plan::default() };
        let mut push = |verb, reason: &str, request| {
            let count = plan.steps.len();
            plan.steps.push(Step {
                id: format!("{} #{count}", Step::id_of(verb, &vm.id)),
                verb,
                resource: vm.id.clone(),
                purpose: "scaler's VM".to_owned(),
                reason: reason.to_owned(),
                changes: Vec::new(),
                needs: plan.steps.last().map(|step| step.id.clone()).into_iter().collect(),
                action: Action::Send { request },
            });
        };
        let ours = vm.tag(FOR).is_some_and(|owner| owner.eq_ignore_ascii_case(&self.owner()));
        // One that stands still keeps the program, which can do nothing without its identity.
        if ours && !stands_still(vm) {
            push(Verb::Update, "the scaler is taken off", run_command(&vm.id, &uninstall_script()));
        }
        if has_identity(vm, &self.identity()) {
            let body = json!({"identity": without(vm, &self.identity())});
            let request = Request::patch(vm.id.as_str(), body).api_version(COMPUTE_API);
            push(Verb::Update, "loses the scaler's identity; its others stay", request);
        }
        if ours {
            let tags = json!({INSTALLED: vm.tag(INSTALLED).unwrap_or_default(), FOR: vm.tag(FOR)});
            push(Verb::Update, "the scaler's tags come off", tag_request(&vm.id, "Delete", &tags));
        }
        plan
    }
}

/// What the machine boots where the file names nothing.
pub(super) fn default_image() -> ImageReference {
    ImageReference::Marketplace {
        publisher: "Canonical".to_owned(),
        offer: "ubuntu-24_04-lts".to_owned(),
        sku: "server".to_owned(),
        version: "latest".to_owned(),
    }
}

/// Cloud-init comes first; a set-up that failed, for a share or a download that was late, gets another try.
const WAIT: &[&str] = &[
    "state=/var/lib/flamenco-azure/node.state",
    "if grep -qs '^failed' $state; then systemctl restart --no-block flamenco-azure-node.service; sleep 5; fi",
    "for _ in $(seq 300); do grep -qsE '^(done|failed)' $state && break; sleep 5; done",
    "if ! grep -qs '^done' $state; then",
    "why=$(tail -n 1 $state 2>/dev/null | tr -cd '[:alnum:] .,:/_()-' | cut -c 1-300)",
    "printf '{\"installed\": false, \"reason\": \"the set-up of the machine: %s\"}\\n' \"${why:-it has not begun}\"",
    "exit 0",
    "fi",
];

/// A run-command (Microsoft's page "Virtual Machines - Run Command"). The scripts bear being run again.
fn run_command(vm: &ResourceId, script: &[String]) -> Request {
    Request::post(format!("{vm}/runCommand"), Some(json!({"commandId": "RunShellScript", "script": script})))
        .api_version(COMPUTE_API)
        .idempotent()
}

fn start(vm: &Observed) -> Order {
    Order {
        resource: vm.id.clone(),
        verb: Verb::Start,
        purpose: "scaler's VM",
        reason: "is stopped".to_owned(),
        after: Vec::new(),
        action: Action::Send {
            request: Request::post(format!("{}/start", vm.id), None).api_version(COMPUTE_API).idempotent(),
        },
    }
}

/// Whether the instance view says that the VM does not run; a body without one says nothing.
pub(crate) fn stands_still(vm: &Observed) -> bool {
    let statuses = vm.pointer("/properties/instanceView/statuses").and_then(Value::as_array);
    let mut states =
        statuses.into_iter().flatten().filter_map(|s| s.get("code")?.as_str()?.strip_prefix("PowerState/"));
    states.next().is_some_and(|state| !["running", "starting"].contains(&state))
}

fn assigned(vm: &Observed) -> Map<String, Value> {
    let all = vm.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
    all.into_iter().flatten().map(|(id, _)| (id.clone(), json!({}))).collect()
}

fn has_identity(vm: &Observed, identity: &ResourceId) -> bool {
    assigned(vm).keys().any(|id| id.eq_ignore_ascii_case(identity.as_str()))
}

fn has_system(vm: &Observed) -> bool {
    vm.text("/identity/type").is_some_and(|kind| kind.contains("SystemAssigned"))
}

/// The VM's identities without this one. A `null` member removes it (Microsoft's page "Configure managed identities on Azure
/// virtual machines", REST).
fn without(vm: &Observed, identity: &ResourceId) -> Value {
    let mut ids = assigned(vm);
    let mut others = 0;
    for (id, value) in &mut ids {
        if id.eq_ignore_ascii_case(identity.as_str()) {
            *value = Value::Null;
        } else {
            others += 1;
        }
    }
    match (has_system(vm), others > 0) {
        (true, true) => json!({"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": ids}),
        (false, true) => json!({"type": "UserAssigned", "userAssignedIdentities": ids}),
        (true, false) => json!({"type": "SystemAssigned"}),
        (false, false) => json!({"type": "None"}),
    }
}
