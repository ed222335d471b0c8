"""Microsoft's JSON schemas of ARM template resources: what the body of a PUT may be."""

import functools
import json

import jsonschema

from common import TRUTH

# Resource type in lower case -> (file, definition).
SCHEMAS = {
    "microsoft.batch/batchaccounts": ("2024-07-01/Microsoft.Batch", "batchAccounts"),
    "microsoft.batch/batchaccounts/applications": ("2024-07-01/Microsoft.Batch", "batchAccounts_applications"),
    "microsoft.batch/batchaccounts/applications/versions": (
        "2024-07-01/Microsoft.Batch",
        "batchAccounts_applications_versions",
    ),
    "microsoft.batch/batchaccounts/pools": ("2024-07-01/Microsoft.Batch", "batchAccounts_pools"),
    "microsoft.compute/virtualmachines": ("2024-07-01/Microsoft.Compute", "virtualMachines"),
    "microsoft.compute/virtualmachinescalesets": ("2024-07-01/Microsoft.Compute", "virtualMachineScaleSets"),
    "microsoft.network/natgateways": ("2024-03-01/Microsoft.Network.NRP", "natGateways"),
    "microsoft.network/networkinterfaces": ("2024-03-01/Microsoft.Network.NRP", "networkInterfaces"),
    "microsoft.network/networksecuritygroups": ("2024-03-01/Microsoft.Network.NRP", "networkSecurityGroups"),
    "microsoft.network/publicipaddresses": ("2024-03-01/Microsoft.Network.NRP", "publicIPAddresses"),
    "microsoft.network/virtualnetworks": ("2024-03-01/Microsoft.Network.NRP", "virtualNetworks"),
    "microsoft.storage/storageaccounts": ("2023-05-01/Microsoft.Storage", "storageAccounts"),
    "microsoft.storage/storageaccounts/blobservices/containers": (
        "2023-05-01/Microsoft.Storage",
        "storageAccounts_blobServices_containers",
    ),
    "microsoft.storage/storageaccounts/fileservices/shares": (
        "2023-05-01/Microsoft.Storage",
        "storageAccounts_fileServices_shares",
    ),
    "microsoft.storage/storageaccounts/queueservices/queues": (
        "2023-05-01/Microsoft.Storage",
        "storageAccounts_queueServices_queues",
    ),
}

# What the schemas are known to be wrong about: (type, path) -> why. One that nothing needs any more fails the test.
KNOWN = {
    ("microsoft.batch/batchaccounts/applications/versions", ""): (
        "a template must have `properties`, of which a package has none to set; the operation's body is optional "
        "(ApplicationPackage_Create, BatchManagement.json)"
    ),
    ("microsoft.compute/virtualmachines", "properties/hardwareProfile/vmSize"): (
        'the schema\'s list of sizes is deprecated ("The enum data type is currently deprecated", compute reference) '
        "and ends with generation v3"
    ),
}



def closed(schema):
    """The schema that admits no other properties than it names, no template expressions, and refers to nothing
    outside."""
    if isinstance(schema, list):
        return [closed(item) for item in schema if not is_outside(item)]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(value) for name, value in schema.items()}
    choice = schema.get("oneOf")
    if isinstance(choice, list) and len(choice) == 1:
        schema.pop("oneOf")
        schema = {**schema, **choice[0]}
    named = schema.get("properties")
    if schema.get("type") == "object" and named and not {"allOf", "anyOf", "oneOf"} & schema.keys():
        schema.setdefault("additionalProperties", False)
    return schema


def is_outside(schema):
    """A template expression in place of a value, or the settings of a VM extension: our bodies have neither."""
    return isinstance(schema, dict) and str(schema.get("$ref", "")).startswith("http")


@functools.cache
def document(file):
    path = TRUTH / "openapi/arm-template-schemas/schemas" / f"{file}.json"
    return closed(json.loads(path.read_text()))


@functools.cache
def validator(kind):
    file, name = SCHEMAS[kind]
    whole = document(file)
    schema = {**whole["resourceDefinitions"][name], "definitions": whole["definitions"]}
    return jsonschema.Draft4Validator(schema)


def deepest(error):
    """Of a choice that fits in no way, the complaint that got furthest."""
    if not error.context:
        return error
    return max((deepest(inner) for inner in error.context), key=lambda e: len(e.absolute_path))


def complaints(kind, name, body, used=None):
    """What a schema has against a PUT body: (path, message); the known exceptions that were needed go to `used`."""
    rules = validator(kind)
    fixed = {part: rules.schema["properties"][part]["enum"][0] for part in ("type", "apiVersion")}
    # The patterns of names are about the last part.
    resource = {**body, **fixed, "name": name.rsplit("/", 1)[-1]}
    found = []
    for error in map(deepest, rules.iter_errors(resource)):
        path = "/".join(map(str, error.absolute_path))
        if (kind, path) in KNOWN:
            if used is not None:
                used.add((kind, path))
        else:
            found.append((path, error.message[:300]))
    return found
