//! Every error code of the platform notes, and every envelope that Azure wraps them in.

use std::time::Duration;

use flamenco_azure_core::arm::{ArmError, CapacityScope, Fault, Headers, Kind, Method, Response, classify};
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

const QUOTA: &str = "Operation could not be completed as it results in exceeding approved LowPriorityCores quota. Additional details - Deployment Model: Resource Manager, Location: westeurope, Current Limit: 10, Current Usage: 8, Additional Required: 16, (Minimum) New Limit Required: 24. Submit a request for Quota increase at https://aka.ms/ProdportalCRP/x by specifying parameters listed in the 'Details' section.";
const SKU: &str = "The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: Standard_D2s_v4' is currently not available in location 'westus2'. Please try another size or deploy to a different location or different zone.";
const DENIED: &str = "The client 'me' with object id '1' does not have authorization to perform action 'Microsoft.Compute/virtualMachines/write' over scope '/subscriptions/1/resourceGroups/g' or the scope is invalid.";
const LINKED: &str = "The client has permission to perform action 'Microsoft.Compute/virtualMachines/write' on scope '/subscriptions/1/a', however, it does not have permission to perform action(s) 'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s) '/subscriptions/1/subnet' (respectively).";

fn capacity(scope: CapacityScope) -> Kind {
    Kind::CapacityUnavailable { scope }
}

fn spot_quota() -> Kind {
    Kind::QuotaExceeded {
        which: "LowPriorityCores".to_owned(),
        location: Some("westeurope".to_owned()),
        limit: Some(10),
        usage: Some(8),
        required: Some(16),
        new_limit: Some(24),
    }
}

fn batch_quota(which: &str) -> Kind {
    Kind::QuotaExceeded {
        which: which.to_owned(),
        location: None,
        limit: None,
        usage: None,
        required: None,
        new_limit: None,
    }
}

fn forbidden(action: &str, scope: &str) -> Kind {
    Kind::Forbidden { action: Some(action.to_owned()), scope: Some(scope.to_owned()) }
}

fn unregistered(namespace: Option<&str>) -> Kind {
    Kind::NotRegistered { namespace: namespace.map(str::to_owned) }
}

#[test]
fn every_known_code_has_its_kind() {
    let throttled = |after: Option<u64>| Kind::Throttled { after: after.map(Duration::from_secs) };
    let table: Vec<(u16, &str, &str, Kind)> = vec![
        (400, "InvalidKeyVaultReference", "The specified Key Vault reference is invalid.", Kind::Busy),
        (400, "InvalidKeyVaultReference", "The Key Vault does not exist.", Kind::InvalidRequest),
        (409, "SkuNotAvailable", SKU, capacity(CapacityScope::Sku)),
        (400, "BadRequest", SKU, capacity(CapacityScope::Sku)),
        (400, "VMSizeNotSupported", "", capacity(CapacityScope::Sku)),
        (400, "BadRequest", "The size is not supported for subscription 1", capacity(CapacityScope::Sku)),
        (
            409,
            "AllocationFailed",
            "Allocation failed. We do not have sufficient capacity",
            capacity(CapacityScope::Region),
        ),
        (200, "ZonalAllocationFailed", "", capacity(CapacityScope::Zone)),
        (200, "OverconstrainedAllocationRequest", "", capacity(CapacityScope::Sku)),
        (200, "OverconstrainedZonalAllocationRequest", "", capacity(CapacityScope::Zone)),
        (
            409,
            "Conflict",
            "We do not have sufficient capacity for the requested VM size in this zone.",
            capacity(CapacityScope::Zone),
        ),
        (409, "OperationNotAllowed", QUOTA, spot_quota()),
        (403, "OperationNotAllowed", QUOTA, spot_quota()),
        (400, "QuotaExceeded", QUOTA, spot_quota()),
        (
            409,
            "SubscriptionQuotaExceeded",
            "The regional Batch account quota has been reached.",
            batch_quota("Batch accounts"),
        ),
        (409, "AccountQuotaReached", "", batch_quota("Batch accounts")),
        (0, "AccountCoreQuotaReached", "", batch_quota("dedicatedCoreQuota")),
        (0, "AccountLowPriorityCoreQuotaReached", "", batch_quota("lowPriorityCoreQuota")),
        (0, "AccountVMSeriesCoreQuotaReached", "", batch_quota("dedicatedCoreQuotaPerVMFamily")),
        (0, "AllocationTimedOut", "", capacity(CapacityScope::Region)),
        (0, "OverconstrainedAllocationRequestError", "", capacity(CapacityScope::Sku)),
        (0, "ResizeStopped", "", Kind::Preempted),
        (400, "InsufficientSubnetSize", "", Kind::SubnetFull),
        (
            400,
            "SubnetIsFull",
            "Subnet workers with address prefix 10.0.0.0/29 does not have enough capacity for 8 IP addresses.",
            Kind::SubnetFull,
        ),
        (
            400,
            "BadRequest",
            "Subnet w with address prefix p doesn't have enough capacity for 8 IP addresses.",
            Kind::SubnetFull,
        ),
        (0, "SubnetInsufficientIPs", "", Kind::SubnetFull),
        (0, "InsufficientSubnetIPs", "", Kind::SubnetFull),
        (
            403,
            "RequestDisallowedByPolicy",
            "Resource 'x' was disallowed by policy. Policy identifiers: '[{\"policyAssignment\":{\"name\":\"no-public-ip\",\"id\":\"/a\"},\"policyDefinition\":{\"name\":\"Deny public addresses\",\"id\":\"/d\"}}]'.",
            Kind::PolicyDenied { policy: Some("Deny public addresses".to_owned()) },
        ),
        (
            403,
            "RequestDisallowedByPolicy",
            "Resource 'x' was disallowed by policy. Reasons: 'no'.",
            Kind::PolicyDenied { policy: None },
        ),
        (400, "NicReservedForAnotherVm", "", Kind::Busy),
        (200, "OperationPreempted", "", Kind::Preempted),
        (409, "ResourceGroupBeingDeleted", "", Kind::Busy),
        (409, "ScopeLocked", "", Kind::ScopeLocked),
        (
            409,
            "MissingSubscriptionRegistration",
            "The subscription is not registered to use namespace 'Microsoft.Batch'. See https://aka.ms/rps-not-found",
            unregistered(Some("Microsoft.Batch")),
        ),
        (400, "NoRegisteredProviderFound", "", unregistered(None)),
        (409, "StorageAccountAlreadyTaken", "The storage account named n is already taken.", Kind::NameTaken),
        (409, "StorageAccountAlreadyExists", "", Kind::AlreadyExists),
        (400, "AccountNameInvalid", "", Kind::InvalidRequest),
        (
            400,
            "DnsRecordInUse",
            "DNS record dns.westus.cloudapp.azure.com is already used by another public IP.",
            Kind::NameTaken,
        ),
        (409, "DnsRecordInUse", "", Kind::NameTaken),
        (409, "AccountAlreadyExists", "", Kind::NameTaken),
        (400, "ResourceNameInvalid", "", Kind::InvalidRequest),
        (400, "InvalidParameter", "", Kind::InvalidRequest),
        (400, "InvalidResourceName", "", Kind::InvalidRequest),
        (400, "PrincipalNotFound", "Principal 1 does not exist in the directory", Kind::PrincipalNotFound),
        (409, "RoleAssignmentExists", "", Kind::AlreadyExists),
        (
            403,
            "AuthorizationFailed",
            DENIED,
            forbidden("Microsoft.Compute/virtualMachines/write", "/subscriptions/1/resourceGroups/g"),
        ),
        (
            403,
            "LinkedAuthorizationFailed",
            LINKED,
            forbidden("Microsoft.Network/virtualNetworks/subnets/join/action", "/subscriptions/1/subnet"),
        ),
        (409, "AnotherOperationInProgress", "", Kind::Busy),
        (429, "RetryableError", "A retryable error occurred.", Kind::Busy),
        (409, "RetryableErrorDueToAnotherOperation", "", Kind::Busy),
        (409, "StorageAccountOperationInProgress", "", Kind::Busy),
        (409, "PoolBeingResized", "", Kind::Busy),
        (200, "VMExtensionProvisioningError", "", Kind::GuestFailed),
        (200, "OSProvisioningTimedOut", "", Kind::GuestFailed),
        (200, "VMStartTimedOut", "", Kind::GuestFailed),
        (
            429,
            "OperationNotAllowed",
            "The server rejected the request because too many requests have been received for this subscription.",
            throttled(None),
        ),
        (429, "TooManyRequests", "", throttled(None)),
        (429, "SubscriptionRequestsThrottled", "Please try again after '6' seconds.", throttled(Some(6))),
        (429, "", "", throttled(None)),
        (
            409,
            "OperationNotAllowed",
            "Operation 'simulateEviction' is allowed only for Spot Virtual Machines",
            Kind::Conflict,
        ),
        (404, "ResourceNotFound", "", Kind::NotFound),
        (404, "ResourceGroupNotFound", "", Kind::NotFound),
        (404, "", "", Kind::NotFound),
        (409, "ApplicationPackageBlobNotFound", "", Kind::Conflict),
        (404, "SubscriptionNotFound", "", Kind::SubscriptionUnavailable),
        (412, "ConditionNotMet", "", Kind::PreconditionFailed),
        (412, "", "", Kind::PreconditionFailed),
        (409, "PoolExists", "", Kind::AlreadyExists),
        (400, "InUseSubnetCannotBeDeleted", "", Kind::InUse),
        (400, "PublicIPAddressCannotBeDeleted", "", Kind::InUse),
        (400, "NicInUse", "", Kind::InUse),
        (409, "ApplicationPackagesNotEmpty", "", Kind::InUse),
        (401, "ExpiredAuthenticationToken", "", Kind::Unauthenticated),
        (401, "", "", Kind::Unauthenticated),
        (500, "InternalServerError", "", Kind::Transient),
        (503, "ServerTimeout", "", Kind::Transient),
        (504, "", "", Kind::Transient),
        (408, "", "", Kind::Transient),
        (200, "SomethingNew", "", Kind::Other),
        (418, "SomethingNew", "", Kind::InvalidRequest),
    ];
    for (status, code, message, expected) in table {
        assert_eq!(classify(status, code, message, &[]), expected, "{status} {code} {message}");
        // Azure changes the case of codes now and then.
        assert_eq!(
            classify(status, &code.to_uppercase(), message, &[]),
            expected,
            "{status} {code} {message}"
        );
    }
}

fn url() -> Url {
    Url::parse("https://management.azure.com/subscriptions/1/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/manager?api-version=2024-07-01").unwrap()
}

fn error(status: u16, body: &str) -> ArmError {
    let headers: Headers = [("x-ms-request-id", "req-1")].into_iter().collect();
    ArmError::from_response(
        Method::Put,
        &url(),
        &Response::new(status, headers, body.as_bytes()),
        Timestamp::UNIX_EPOCH,
    )
}

#[test]
fn the_same_error_is_read_out_of_every_envelope() {
    let (code, message) = ("SkuNotAvailable", SKU);
    let plain = json!({"code": code, "message": message});
    let nested = json!({"error": {"code": "InvalidTemplateDeployment", "message": "see inner errors", "details": [plain]}});
    let in_string = json!({"error": {"code": "DeploymentFailed", "message": "x", "details": [{"code": "Conflict", "message": json!({"error": plain}).to_string()}]}});
    let envelopes: Vec<(Value, &str)> = vec![
        (json!({"error": plain}), code),
        (json!({"Error": {"Code": code, "Message": message}}), code),
        (plain.clone(), code),
        (
            json!({"odata.metadata": "m", "code": code, "message": {"lang": "en-US", "value": format!("{message}\nRequestId:1\nTime:2")}, "values": [{"key": "Reason", "value": "r"}]}),
            code,
        ),
        (Value::String(json!({"error": plain}).to_string()), code),
        (nested, "InvalidTemplateDeployment"),
        (in_string, "DeploymentFailed"),
    ];
    for (body, outer) in envelopes {
        let error = error(400, &body.to_string());
        assert_eq!(*error.kind(), capacity(CapacityScope::Sku), "{body}");
        assert_eq!(error.code(), outer);
        let text = error.to_string();
        assert!(
            text.contains("Standard_D2s_v4")
                && text.contains("req-1")
                && text.contains("virtualMachines/manager"),
            "{text}"
        );
        assert!(!text.contains("RequestId:"), "{text}");
    }
}

#[test]
fn pages_and_silence_are_told_in_words_and_never_as_absence() {
    let table = [
        (404, "<html>404 - File or directory not found.</html>", Kind::Unreadable),
        (404, "", Kind::NotFound),
        (503, "", Kind::Transient),
        (502, "<html>bad gateway</html>", Kind::Transient),
        (403, "<html>proxy</html>", Kind::Forbidden { action: None, scope: None }),
        (400, "{\"unknown\": true}", Kind::InvalidRequest),
        (500, "{\"error\": {\"code\": \"Int", Kind::Transient),
        (
            403,
            "<?xml version=\"1.0\"?><Error><Code>AuthorizationPermissionMismatch</Code><Message>no</Message></Error>",
            Kind::Forbidden { action: None, scope: None },
        ),
    ];
    for (status, body, kind) in table {
        let error = error(status, body);
        assert_eq!(*error.kind(), kind, "{status} {body}");
        let text = error.to_string();
        assert!(!text.contains(&status.to_string()) && !text.contains('<'), "{text}");
    }
}

#[test]
fn a_policys_display_name_is_shown() {
    let body = json!({"error": {"code": "RequestDisallowedByPolicy", "message": "Resource 'x' was disallowed by policy.", "target": "x",
        "additionalInfo": [{"type": "PolicyViolation", "info": {"policyDefinitionDisplayName": "No public addresses", "policyAssignmentId": "/a"}}]}});
    let error = error(403, &body.to_string());
    assert_eq!(*error.kind(), Kind::PolicyDenied { policy: Some("No public addresses".to_owned()) });
    assert_eq!(error.target(), Some("x"));
    assert!(error.hint().unwrap().to_string().contains("No public addresses"));
}

#[test]
fn hints_name_the_quota_the_role_and_the_provider() {
    let envelope =
        |code: &str, message: &str| json!({"error": {"code": code, "message": message}}).to_string();
    let table = [
        (
            409,
            envelope("OperationNotAllowed", QUOTA),
            vec!["LowPriorityCores", "westeurope", "24", "az quota update --resource-name lowPriorityCores"],
        ),
        (
            403,
            envelope("AuthorizationFailed", DENIED),
            vec![
                "Contributor",
                "Microsoft.Compute/virtualMachines/write",
                "--scope /subscriptions/1/resourceGroups/g",
            ],
        ),
        (
            409,
            envelope("MissingSubscriptionRegistration", "not registered to use namespace 'Microsoft.Batch'"),
            vec!["az provider register --namespace Microsoft.Batch --subscription 1"],
        ),
        (401, envelope("ExpiredAuthenticationToken", ""), vec!["az login"]),
        (409, envelope("SkuNotAvailable", SKU), vec!["vmSize"]),
        (409, envelope("ScopeLocked", ""), vec!["az lock"]),
        (429, envelope("ResourceRequestsThrottled", "try again after '372' seconds"), vec!["372 s"]),
        (404, envelope("SubscriptionNotFound", ""), vec!["az account list"]),
    ];
    for (status, body, words) in table {
        let error = error(status, &body);
        let hint = error.hint().unwrap_or_else(|| panic!("no hint: {error}")).to_string();
        for word in words {
            assert!(hint.contains(word), "{word} is not in: {hint}");
        }
    }
    assert_eq!(error(400, &envelope("InvalidParameter", "bad")).hint(), None);
}

#[test]
fn errors_within_errors_end_somewhere() {
    let mut body = json!({"code": "Inner", "message": "m"});
    for _ in 0..100 {
        body = json!({"code": "Outer", "message": "m", "details": [body]});
    }
    let fault = Fault::from_body(&body).unwrap();
    assert_eq!(fault.code, "Outer");
}
