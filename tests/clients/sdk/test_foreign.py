"""The reverse: what Microsoft's clients made is foreign to our CLI, which neither shows it as its own nor touches
it."""

import unittest

from client import Clients
from common import Yard
from make import Studio, pool

GROUP = "crunch-rg"


def foreign(world):
    """Everything of a world that the studio made, as it is stored, less what passing time changes."""
    found = {}
    for key, resource in world["resources"].items():
        if "/studio" in key:
            found[key] = {name: resource[name] for name in ("tags", "properties", "etag")}
    return found


class Foreign(unittest.TestCase):
    def setUp(self):
        self.yard = Yard()
        self.addCleanup(self.yard.close)
        self.yard.flamenco("deploy", "--yes")

    def make(self):
        """In the farm's own group and in another one, by the SDK."""
        with self.yard.serve() as server:
            clients = Clients(server)
            Studio(clients, "studio-rg").network("studio-net")
            body = {"location": "westeurope", "tags": {"owner": "studio"}}
            groups = clients.network.network_security_groups
            groups.begin_create_or_update(GROUP, "studio-nsg", body).result()
            clients.batch.batch_account.begin_create(GROUP, "studiobatch", body).result()
            clients.batch.pool.create(GROUP, "studiobatch", "studio-pool", pool(0))
            clients.close()

    def test_status_and_teardown_leave_it(self):
        self.make()
        before = foreign(self.yard.read())
        self.assertEqual(len(before), 5)
        for command in ("status", "plan"):
            said = self.yard.flamenco(command)
            self.assertNotIn("studio", said)
        said = self.yard.flamenco("teardown", "--yes")
        self.assertIn("studio-nsg", said, "what is left is named")
        after = self.yard.read()
        self.assertEqual(foreign(after), before)
        left = [key for key in after["resources"] if "/studio" not in key]
        self.assertEqual(left, [])
        self.assertEqual(sorted(after["groups"]), [GROUP, "studio-rg"])

    def test_what_another_farm_tagged_is_not_ours(self):
        with self.yard.serve() as server:
            clients = Clients(server)
            body = {"location": "westeurope", "tags": {"flamenco-farm": "another"}}
            groups = clients.network.network_security_groups
            groups.begin_create_or_update(GROUP, "studio-nsg", body).result()
            clients.close()
        before = foreign(self.yard.read())
        self.yard.flamenco("teardown", "--yes")
        self.assertEqual(foreign(self.yard.read()), before)
