"""Lists of more than a page: the clients follow `nextLink` to the end."""

from case import Served
from make import Studio


class Pages(Served):
    def test_resources_of_a_group(self):
        Studio(self.clients, "many")
        for number in range(23):
            body = {"location": "westeurope", "tags": {"number": str(number)}}
            self.clients.network.network_security_groups.begin_create_or_update(
                "many", f"nsg-{number:02}", body, polling=False
            )
        resources = self.clients.resource.resources
        pages = [list(page) for page in resources.list_by_resource_group("many", top=5).by_page()]
        self.assertEqual([len(page) for page in pages], [5, 5, 5, 5, 3])
        names = [resource.name for page in pages for resource in page]
        self.assertEqual(names, [f"nsg-{number:02}" for number in range(23)])
        only = resources.list(filter="resourceType eq 'Microsoft.Network/networkSecurityGroups'", top=10)
        self.assertEqual(len(list(only)), 25)

    def test_nodes_of_a_pool(self):
        account = self.clients.batch.batch_account.get("crunch-rg", "crunchbatch")
        with self.clients.data(account) as data:
            pages = [list(page) for page in data.list_nodes("render", max_results=1).by_page()]
            self.assertEqual([len(page) for page in pages], [1, 1])
            some = list(data.list_nodes("render", filter="state eq 'offline'"))
            self.assertEqual(some, [])
