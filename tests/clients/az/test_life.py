"""Groups, networks, machines, Batch accounts and pools: made, looked at and deleted by `az`."""

from case import Signed
from common import until

REGION = ("--location", "westeurope")
IN = ("--resource-group", "studio")
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl studio"


class Life(Signed):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.az("group", "create", "--name", "studio", *REGION, "--tags", "owner=studio")

    def test_groups(self):
        self.assertTrue(self.az("group", "exists", "--name", "studio"))
        made = self.az("group", "create", "--name", "short-lived", *REGION)
        self.assertEqual(made["properties"]["provisioningState"], "Succeeded")
        self.az("group", "update", "--name", "short-lived", "--set", "tags.owner=nobody")
        shown = self.az("group", "show", "--name", "short-lived")
        self.assertEqual(shown["tags"], {"owner": "nobody"})
        self.az("group", "delete", "--name", "short-lived", "--yes")
        self.assertFalse(self.az("group", "exists", "--name", "short-lived"))
        self.refused("ResourceGroupNotFound", "group", "show", "--name", "short-lived")
        self.refused("InvalidResourceGroupLocation", "group", "create", "--name", "studio", "--location", "northeurope")

    def test_a_machine_in_a_network(self):
        space = ("--address-prefix", "10.9.0.0/16", "--subnet-name", "desks", "--subnet-prefixes", "10.9.1.0/24")
        self.az("network", "vnet", "create", *IN, "--name", "net", *space)
        self.az("network", "nsg", "create", *IN, "--name", "nsg")
        rule = ("--priority", "100", "--source-address-prefixes", "192.0.2.0/24", "--destination-port-ranges", "22")
        self.az("network", "nsg", "rule", "create", *IN, "--nsg-name", "nsg", "--name", "ssh", *rule)
        self.az("network", "public-ip", "create", *IN, "--name", "ip", "--sku", "Standard")
        place = ("--vnet-name", "net", "--subnet", "desks")
        outside = ("--network-security-group", "nsg", "--public-ip-address", "ip")
        self.az("network", "nic", "create", *IN, "--name", "nic", *place, *outside)
        self.refused("InUseNetworkSecurityGroupCannotBeDeleted", "network", "nsg", "delete", *IN, "--name", "nsg")
        self.machine()
        for command, state in (("deallocate", "deallocated"), ("start", "running"), ("stop", "stopped")):
            self.az("vm", command, *IN, "--name", "desk")
            self.assertEqual(self.power(), f"PowerState/{state}")
        self.refused("ResourceNotFound", "vm", "show", *IN, "--name", "absent")
        self.az("vm", "delete", *IN, "--name", "desk", "--yes")
        self.assertEqual(self.az("vm", "list", *IN), [])
        for kind, name in (("nic", "nic"), ("public-ip", "ip"), ("nsg", "nsg"), ("vnet", "net")):
            self.az("network", kind, "delete", *IN, "--name", name)
        self.assertEqual(self.az("network", "vnet", "list", *IN), [])

    def machine(self):
        """`az vm create` deploys a template; waiting for it is left to `az vm wait`, which asks more often."""
        kind = ("--image", "Debian:debian-12:12-gen2:latest", "--size", "Standard_D2as_v5", "--nics", "nic")
        who = ("--admin-username", "studio", "--ssh-key-values", SSH_KEY)
        self.az("vm", "create", *IN, "--name", "desk", *kind, *who, "--no-wait")
        self.az("vm", "wait", *IN, "--name", "desk", "--created", "--interval", "1", "--timeout", "60")
        shown = self.az("vm", "show", *IN, "--name", "desk")
        self.assertEqual(shown["provisioningState"], "Succeeded")
        self.assertEqual(shown["hardwareProfile"]["vmSize"], "Standard_D2as_v5")

    def power(self):
        view = self.az("vm", "get-instance-view", *IN, "--name", "desk")
        return view["instanceView"]["statuses"][-1]["code"]

    def test_a_batch_account_and_a_pool(self):
        made = self.az("batch", "account", "create", *IN, "--name", "studiobatch", *REGION)
        self.assertEqual(made["provisioningState"], "Succeeded")
        self.az("batch", "account", "login", *IN, "--name", "studiobatch")
        image = ("--image", "almalinux:almalinux-x86_64:9-gen2", "--node-agent-sku-id", "batch.node.el 9")
        cars = ("--id", "cars", "--vm-size", "standard_d2as_v5", *image, "--target-dedicated-nodes", "1")
        self.az("batch", "pool", "create", *cars)
        self.refused("PoolExists", "batch", "pool", "create", *cars)
        self.rest("cars")
        self.az("batch", "pool", "resize", "--pool-id", "cars", "--target-dedicated-nodes", "2")
        self.assertEqual(self.rest("cars")["currentDedicatedNodes"], 2)
        self.az("batch", "pool", "delete", "--pool-id", "cars", "--yes")
        until(lambda: not self.az("batch", "pool", "list"))
        self.az("batch", "account", "delete", *IN, "--name", "studiobatch", "--yes")
        self.refused("ResourceNotFound", "batch", "account", "show", *IN, "--name", "studiobatch")

    def rest(self, pool):
        """The pool once it rests: each question takes a virtual minute or more."""

        def rested():
            shown = self.az("batch", "pool", "show", "--pool-id", pool)
            return shown["allocationState"] == "steady" and shown

        return until(rested)
