"""What Microsoft's specification at hand does not have, each with its reason. Entries that nothing needs any more fail
the test."""

# The specification is older than the api-versions that we use: (namespace, ours) -> its own.
VERSIONS = {
    ("Microsoft.Batch", "2025-06-01"): "2024-02-01",
    ("Microsoft.Compute", "2024-07-01"): "2024-03-01",
    ("Microsoft.Network", "2024-03-01"): "2024-01-01",
    ("Microsoft.Network", "2024-05-01"): "2024-01-01",
    ("batch data plane", "2025-06-01"): "2024-02-01.19.0",
}

POLL = "the URL of a running operation is opaque: no specification describes it"
ABSENT = "its file is not part of the specification at hand"
CONTENT = "a file's content has the type of the file (recorded: text/plain), where the specification has octets"

# Paths that match no operation: pattern -> reason.
WITHOUT_OPERATION = {
    r"/Microsoft\.(Compute|Network)/locations/[^/]+/operations/[^/]+$": POLL,
    r"/Microsoft\.Storage/locations/[^/]+/asyncoperations/[^/]+$": POLL,
    r"/Microsoft\.Batch/locations/[^/]+/accountOperationResults/[^/]+$": POLL,
    r"/batchAccounts/[^/]+/operationResults/[^/]+$": POLL,
    r"/batchAccounts/[^/]+/poolOperationResults/[^/]+$": POLL,
    # oav takes it for a resource id.
    r"^/subscriptions/[^/]+/operationresults/[^/]+$": POLL,
    r"^/pools/[^/]+/nodes/[^/]+/files/[^/]+$": CONTENT,
    r"/Microsoft\.Authorization/permissions$": ABSENT,
    r"/Microsoft\.Compute/disks(/[^/]+)?$": ABSENT,
    r"/Microsoft\.Network/locations/[^/]+/CheckDnsNameAvailability$": ABSENT,
}

RECORDED = "Azure answers so (recorded), whatever the specification says"
SHOWN = "Microsoft's page \"List the files associated with a task\" shows the number as text, as OData writes 64 bits"

# Complaints that are passed over: (side, code, end of the path) -> reason.
COMPLAINTS = {
    ("response", "OBJECT_ADDITIONAL_PROPERTIES", "odata.metadata"): RECORDED,
    ("response", "OBJECT_ADDITIONAL_PROPERTIES", "sku.tier"): RECORDED,
    ("response", "OBJECT_ADDITIONAL_PROPERTIES", "properties.privateEndpointVNetPolicies"): RECORDED,
    ("response", "OBJECT_ADDITIONAL_PROPERTIES", "networkAcls.ipv6Rules"): RECORDED,
    ("response", "OBJECT_ADDITIONAL_PROPERTIES", "value.authorizations"): RECORDED,
    ("response", "OBJECT_ADDITIONAL_PROPERTIES", "count"): RECORDED,
    ("response", "OBJECT_MISSING_REQUIRED_PROPERTY", "nextLink"): RECORDED,
    ("response", "OBJECT_ADDITIONAL_PROPERTIES", "properties.billingProfile"): RECORDED,
    ("response", "OBJECT_ADDITIONAL_PROPERTIES", "properties.evictionPolicy"): RECORDED,
    ("response", "OBJECT_ADDITIONAL_PROPERTIES", "properties.priority"): RECORDED,
    ("response", "ENUM_CASE_MISMATCH", "taskSchedulingPolicy.nodeFillType"): RECORDED,
    ("response", "INVALID_TYPE", "properties.contentLength"): SHOWN,
    ("response", "ENUM_CASE_MISMATCH", "properties.leaseState"): RECORDED,
    ("response", "ENUM_CASE_MISMATCH", "properties.leaseStatus"): RECORDED,
}
