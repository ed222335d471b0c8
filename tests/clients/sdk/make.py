"""What the suites create beside the farm."""

from common import IMAGE, REGION

# A public key that nobody has the private half of.
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl studio"


def machine(nic):
    """A small Linux machine."""
    return {
        "location": REGION,
        "tags": {"owner": "studio"},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2as_v5"},
            "storageProfile": {
                "imageReference": {
                    "publisher": "Debian",
                    "offer": "debian-12",
                    "sku": "12-gen2",
                    "version": "latest",
                },
                "osDisk": {"createOption": "FromImage", "managedDisk": {"storageAccountType": "StandardSSD_LRS"}},
            },
            "osProfile": {
                "computerName": "studio",
                "adminUsername": "studio",
                "linuxConfiguration": {
                    "disablePasswordAuthentication": True,
                    "ssh": {"publicKeys": [{"path": "/home/studio/.ssh/authorized_keys", "keyData": SSH_KEY}]},
                },
            },
            "networkProfile": {"networkInterfaces": [{"id": nic}]},
        },
    }


def pool(dedicated):
    """A pool without a start task, as the control plane takes it."""
    return {
        "properties": {
            "vmSize": "Standard_D2as_v5",
            "deploymentConfiguration": {
                "virtualMachineConfiguration": {"imageReference": IMAGE, "nodeAgentSkuId": AGENT},
            },
            "scaleSettings": {"fixedScale": {"targetDedicatedNodes": dedicated, "targetLowPriorityNodes": 0}},
        },
    }


AGENT = "batch.node.el 9"


class Studio:
    """A group with a network, made by Microsoft's clients."""

    def __init__(self, clients, group):
        self.clients, self.group = clients, group
        self.made = clients.resource.resource_groups.create_or_update(
            group, {"location": REGION, "tags": {"owner": "studio"}}
        )

    def network(self, name="net"):
        body = {
            "location": REGION,
            "properties": {
                "addressSpace": {"addressPrefixes": ["10.9.0.0/16"]},
                "subnets": [{"name": "desks", "properties": {"addressPrefix": "10.9.1.0/24"}}],
            },
        }
        return self.clients.network.virtual_networks.begin_create_or_update(self.group, name, body).result()

    def card(self, subnet, name="nic"):
        body = {
            "location": REGION,
            "properties": {"ipConfigurations": [{"name": "first", "properties": {"subnet": {"id": subnet}}}]},
        }
        return self.clients.network.network_interfaces.begin_create_or_update(self.group, name, body).result()

    def machine(self, nic, name="desk"):
        return self.clients.compute.virtual_machines.begin_create_or_update(self.group, name, machine(nic)).result()

    def account(self, name):
        return self.clients.batch.batch_account.begin_create(
            self.group, name, {"location": REGION, "tags": {"owner": "studio"}}
        ).result()
