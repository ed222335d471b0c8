"""The farm that our CLI deployed, in `az`; and what `az` makes, which is foreign to our CLI."""

from case import Signed
from common import until

GROUP = "crunch-rg"


class Farm(Signed):
    def test_the_farm_is_there(self):
        group = self.az("group", "show", "--name", GROUP)
        self.assertEqual(group["tags"]["flamenco-farm.crunch"], "created")
        tagged = self.az("resource", "list", "--tag", "flamenco-farm=crunch")
        self.assertEqual(len(tagged), 12)
        vnet = self.az("network", "vnet", "show", "--resource-group", GROUP, "--name", "crunch-vm-vnet")
        self.assertEqual(sorted(subnet["name"] for subnet in vnet["subnets"]), ["manager", "workers"])
        manager = self.az("vm", "show", "--resource-group", GROUP, "--name", "crunch-vm", "--show-details")
        self.assertEqual(manager["powerState"], "VM running")
        self.assertEqual(manager["fqdns"], "crunch-vm.westeurope.cloudapp.azure.com")
        shares = self.az("storage", "share-rm", "list", "--resource-group", GROUP, "--storage-account", "crunchfiles")
        self.assertEqual([share["enabledProtocols"] for share in shares], ["NFS"])

    def test_its_pool_is_resized(self):
        self.az("batch", "account", "login", "--resource-group", GROUP, "--name", "crunchbatch")
        pools = self.az("batch", "pool", "list")
        self.assertEqual([pool["id"] for pool in pools], ["render"])
        self.az("batch", "pool", "resize", "--pool-id", "render", "--target-dedicated-nodes", "3")
        until(lambda: len(self.az("batch", "node", "list", "--pool-id", "render")) == 3)
        # The farm's node counts belong to whoever scales: our CLI sees no difference.
        self.yard.flamenco("plan")
        self.refused("PoolNotFound", "batch", "pool", "show", "--pool-id", "absent")

    def test_what_az_makes_is_foreign(self):
        here = ("--resource-group", GROUP, "--location", "westeurope")
        self.az("network", "nsg", "create", *here, "--name", "studio-nsg")
        self.az("batch", "account", "create", *here, "--name", "studiobatch")
        self.assertNotIn("studio", self.yard.flamenco("status"))
        self.assertNotIn("studio", self.yard.flamenco("plan"))


class Teardown(Signed):
    def test_teardown_leaves_what_az_made(self):
        here = ("--resource-group", GROUP, "--location", "westeurope")
        self.az("network", "nsg", "create", *here, "--name", "studio-nsg", "--tags", "owner=studio")
        self.server.close()
        said = self.yard.flamenco("teardown", "--yes")
        self.assertIn("studio-nsg", said, "what is left is named")
        self.start()
        left = self.az("resource", "list")
        self.assertEqual([(one["name"], one["tags"]) for one in left], [("studio-nsg", {"owner": "studio"})])
        self.assertEqual([group["name"] for group in self.az("group", "list")], [GROUP])
