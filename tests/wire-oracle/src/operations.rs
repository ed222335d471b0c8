//! Which model stands for which request and answer body.

use azure_mgmt_batch::models as batch;
use azure_mgmt_compute::models as compute;
use azure_mgmt_network::models as network;

use crate::model::Model;

/// What an operation answers with a 2xx status.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// No body.
    Nothing,
    /// One document.
    One(Model),
    /// `{"value": […], "nextLink": …}` of this model.
    List(Model),
    /// The state of a long-running operation; `properties.output`, where there is one, is of this model.
    Operation(Model),
}

/// An operation of a provider.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// HTTP method.
    pub method: &'static str,
    /// The path from the provider's namespace on; `{}` is any one segment.
    pub path: &'static str,
    /// Model of the request body.
    pub sent: Option<Model>,
    /// Model of the answer.
    pub answer: Answer,
}

const fn get(path: &'static str, answer: Answer) -> Operation {
    Operation { method: "GET", path, sent: None, answer }
}

const fn put(path: &'static str, model: Model) -> Operation {
    Operation { method: "PUT", path, sent: Some(model), answer: Answer::One(model) }
}

const fn patch(path: &'static str, sent: Model, answer: Model) -> Operation {
    Operation { method: "PATCH", path, sent: Some(sent), answer: Answer::One(answer) }
}

const fn delete(path: &'static str) -> Operation {
    Operation { method: "DELETE", path, sent: None, answer: Answer::Nothing }
}

const fn post(path: &'static str, sent: Option<Model>, answer: Answer) -> Operation {
    Operation { method: "POST", path, sent, answer }
}

const ACCOUNT: Model = Model::of::<batch::BatchAccount>();
const POOL: Model = Model::of::<batch::Pool>();
const APPLICATION: Model = Model::of::<batch::Application>();
const PACKAGE: Model = Model::of::<batch::ApplicationPackage>();
const VM: Model = Model::of::<compute::VirtualMachine>();
const DISK: Model = Model::of::<compute::Disk>();
const OUTPUT: Model = Model::of::<compute::RunCommandResult>();
const SET: Model = Model::of::<compute::VirtualMachineScaleSet>();
const INSTANCE: Model = Model::of::<compute::VirtualMachineScaleSetVm>();
const VNET: Model = Model::of::<network::VirtualNetwork>();
const SUBNET: Model = Model::of::<network::Subnet>();
const NSG: Model = Model::of::<network::NetworkSecurityGroup>();
const PIP: Model = Model::of::<network::PublicIpAddress>();
const NATGW: Model = Model::of::<network::NatGateway>();
const NIC: Model = Model::of::<network::NetworkInterface>();
const TAGS: Model = Model::of::<network::TagsObject>();

/// The operations we know.
pub const OPERATIONS: &[Operation] = &[
    // Microsoft.Batch
    get("Microsoft.Batch/batchAccounts", Answer::List(ACCOUNT)),
    get("Microsoft.Batch/batchAccounts/{}", Answer::One(ACCOUNT)),
    Operation {
        method: "PUT",
        path: "Microsoft.Batch/batchAccounts/{}",
        sent: Some(Model::of::<batch::BatchAccountCreateParameters>()),
        answer: Answer::One(ACCOUNT),
    },
    patch("Microsoft.Batch/batchAccounts/{}", Model::of::<batch::BatchAccountUpdateParameters>(), ACCOUNT),
    delete("Microsoft.Batch/batchAccounts/{}"),
    get("Microsoft.Batch/batchAccounts/{}/pools", Answer::List(POOL)),
    get("Microsoft.Batch/batchAccounts/{}/pools/{}", Answer::One(POOL)),
    put("Microsoft.Batch/batchAccounts/{}/pools/{}", POOL),
    patch("Microsoft.Batch/batchAccounts/{}/pools/{}", POOL, POOL),
    delete("Microsoft.Batch/batchAccounts/{}/pools/{}"),
    post("Microsoft.Batch/batchAccounts/{}/pools/{}/stopResize", None, Answer::One(POOL)),
    get("Microsoft.Batch/batchAccounts/{}/applications", Answer::List(APPLICATION)),
    get("Microsoft.Batch/batchAccounts/{}/applications/{}", Answer::One(APPLICATION)),
    put("Microsoft.Batch/batchAccounts/{}/applications/{}", APPLICATION),
    patch("Microsoft.Batch/batchAccounts/{}/applications/{}", APPLICATION, APPLICATION),
    delete("Microsoft.Batch/batchAccounts/{}/applications/{}"),
    get("Microsoft.Batch/batchAccounts/{}/applications/{}/versions", Answer::List(PACKAGE)),
    get("Microsoft.Batch/batchAccounts/{}/applications/{}/versions/{}", Answer::One(PACKAGE)),
    put("Microsoft.Batch/batchAccounts/{}/applications/{}/versions/{}", PACKAGE),
    delete("Microsoft.Batch/batchAccounts/{}/applications/{}/versions/{}"),
    post(
        "Microsoft.Batch/batchAccounts/{}/applications/{}/versions/{}/activate",
        Some(Model::of::<batch::ActivateApplicationPackageParameters>()),
        Answer::One(PACKAGE),
    ),
    get("Microsoft.Batch/locations/{}/quotas", Answer::One(Model::of::<batch::BatchLocationQuota>())),
    get("Microsoft.Batch/locations/{}/virtualMachineSkus", Answer::List(Model::of::<batch::SupportedSku>())),
    post(
        "Microsoft.Batch/locations/{}/checkNameAvailability",
        Some(Model::of::<batch::CheckNameAvailabilityParameters>()),
        Answer::One(Model::of::<batch::CheckNameAvailabilityResult>()),
    ),
    get("Microsoft.Batch/batchAccounts/{}/operationResults/{}", Answer::One(ACCOUNT)),
    get("Microsoft.Batch/batchAccounts/{}/poolOperationResults/{}", Answer::Nothing),
    get("Microsoft.Batch/locations/{}/accountOperationResults/{}", Answer::Nothing),
    // Microsoft.Compute
    get("Microsoft.Compute/virtualMachines", Answer::List(VM)),
    get("Microsoft.Compute/virtualMachines/{}", Answer::One(VM)),
    put("Microsoft.Compute/virtualMachines/{}", VM),
    patch("Microsoft.Compute/virtualMachines/{}", Model::of::<compute::VirtualMachineUpdate>(), VM),
    delete("Microsoft.Compute/virtualMachines/{}"),
    get(
        "Microsoft.Compute/virtualMachines/{}/instanceView",
        Answer::One(Model::of::<compute::VirtualMachineInstanceView>()),
    ),
    post("Microsoft.Compute/virtualMachines/{}/start", None, Answer::Nothing),
    post("Microsoft.Compute/virtualMachines/{}/deallocate", None, Answer::Nothing),
    post(
        "Microsoft.Compute/virtualMachines/{}/runCommand",
        Some(Model::of::<compute::RunCommandInput>()),
        Answer::One(OUTPUT),
    ),
    get("Microsoft.Compute/virtualMachineScaleSets", Answer::List(SET)),
    get("Microsoft.Compute/virtualMachineScaleSets/{}", Answer::One(SET)),
    put("Microsoft.Compute/virtualMachineScaleSets/{}", SET),
    patch(
        "Microsoft.Compute/virtualMachineScaleSets/{}",
        Model::of::<compute::VirtualMachineScaleSetUpdate>(),
        SET,
    ),
    delete("Microsoft.Compute/virtualMachineScaleSets/{}"),
    get("Microsoft.Compute/virtualMachineScaleSets/{}/virtualMachines", Answer::List(INSTANCE)),
    get("Microsoft.Compute/virtualMachineScaleSets/{}/virtualMachines/{}", Answer::One(INSTANCE)),
    delete("Microsoft.Compute/virtualMachineScaleSets/{}/virtualMachines/{}"),
    post(
        "Microsoft.Compute/virtualMachineScaleSets/{}/delete",
        Some(Model::of::<compute::VirtualMachineScaleSetVmInstanceRequiredIDs>()),
        Answer::Nothing,
    ),
    get("Microsoft.Compute/disks", Answer::List(DISK)),
    get("Microsoft.Compute/disks/{}", Answer::One(DISK)),
    put("Microsoft.Compute/disks/{}", DISK),
    patch("Microsoft.Compute/disks/{}", Model::of::<compute::DiskUpdate>(), DISK),
    delete("Microsoft.Compute/disks/{}"),
    get("Microsoft.Compute/skus", Answer::List(Model::of::<compute::ResourceSku>())),
    get("Microsoft.Compute/locations/{}/usages", Answer::List(Model::of::<compute::Usage>())),
    get("Microsoft.Compute/locations/{}/vmSizes", Answer::List(Model::of::<compute::VirtualMachineSize>())),
    get("Microsoft.Compute/locations/{}/operations/{}", Answer::Operation(OUTPUT)),
    // Microsoft.Network
    get("Microsoft.Network/virtualNetworks", Answer::List(VNET)),
    get("Microsoft.Network/virtualNetworks/{}", Answer::One(VNET)),
    put("Microsoft.Network/virtualNetworks/{}", VNET),
    patch("Microsoft.Network/virtualNetworks/{}", TAGS, VNET),
    delete("Microsoft.Network/virtualNetworks/{}"),
    get("Microsoft.Network/virtualNetworks/{}/subnets", Answer::List(SUBNET)),
    get("Microsoft.Network/virtualNetworks/{}/subnets/{}", Answer::One(SUBNET)),
    put("Microsoft.Network/virtualNetworks/{}/subnets/{}", SUBNET),
    delete("Microsoft.Network/virtualNetworks/{}/subnets/{}"),
    get("Microsoft.Network/networkSecurityGroups", Answer::List(NSG)),
    get("Microsoft.Network/networkSecurityGroups/{}", Answer::One(NSG)),
    put("Microsoft.Network/networkSecurityGroups/{}", NSG),
    patch("Microsoft.Network/networkSecurityGroups/{}", TAGS, NSG),
    delete("Microsoft.Network/networkSecurityGroups/{}"),
    get("Microsoft.Network/publicIPAddresses", Answer::List(PIP)),
    get("Microsoft.Network/publicIPAddresses/{}", Answer::One(PIP)),
    put("Microsoft.Network/publicIPAddresses/{}", PIP),
    patch("Microsoft.Network/publicIPAddresses/{}", TAGS, PIP),
    delete("Microsoft.Network/publicIPAddresses/{}"),
    get("Microsoft.Network/natGateways", Answer::List(NATGW)),
    get("Microsoft.Network/natGateways/{}", Answer::One(NATGW)),
    put("Microsoft.Network/natGateways/{}", NATGW),
    patch("Microsoft.Network/natGateways/{}", TAGS, NATGW),
    delete("Microsoft.Network/natGateways/{}"),
    get("Microsoft.Network/networkInterfaces", Answer::List(NIC)),
    get("Microsoft.Network/networkInterfaces/{}", Answer::One(NIC)),
    put("Microsoft.Network/networkInterfaces/{}", NIC),
    patch("Microsoft.Network/networkInterfaces/{}", TAGS, NIC),
    delete("Microsoft.Network/networkInterfaces/{}"),
    get("Microsoft.Network/locations/{}/usages", Answer::List(Model::of::<network::Usage>())),
    get(
        "Microsoft.Network/locations/{}/CheckDnsNameAvailability",
        Answer::One(Model::of::<network::DnsNameAvailabilityResult>()),
    ),
    get(
        "Microsoft.Network/locations/{}/operations/{}",
        Answer::One(Model::of::<network::AzureAsyncOperationResult>()),
    ),
    get("Microsoft.Network/locations/{}/operationResults/{}", Answer::Nothing),
];

/// The model of a provider's error answers; `None` for a provider that is out of scope.
pub fn error_model(namespace: &str) -> Option<Model> {
    match namespace.to_ascii_lowercase().as_str() {
        "microsoft.batch" => Some(Model::of::<batch::CloudError>()),
        "microsoft.compute" => Some(Model::of::<compute::CloudError>()),
        "microsoft.network" => Some(Model::of::<network::CloudError>()),
        _ => None,
    }
}

/// The operation of a method and a path from the namespace on.
pub fn find(method: &str, path: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.method == method && fits(operation.path, path))
}

fn fits(template: &str, path: &str) -> bool {
    let template: Vec<&str> = template.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    template.len() == path.len()
        && template.iter().zip(path).all(|(want, have)| *want == "{}" || want.eq_ignore_ascii_case(have))
}
