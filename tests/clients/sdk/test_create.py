"""Groups, networks and machines: made, changed, taken away by Microsoft's clients, which follow every operation."""

from azure.core.exceptions import ResourceNotFoundError

from case import Served
from make import Studio


class Create(Served):
    def test_a_group_lives_and_dies(self):
        groups = self.clients.resource.resource_groups
        studio = Studio(self.clients, "short-lived")
        self.assertEqual(studio.made.properties.provisioning_state, "Succeeded")
        changed = groups.update("short-lived", {"tags": {"owner": "nobody"}})
        self.assertEqual(changed.tags, {"owner": "nobody"})
        self.assertIn("short-lived", [group.name for group in groups.list()])
        groups.begin_delete("short-lived").result()
        self.assertFalse(groups.check_existence("short-lived"))
        with self.assertRaises(ResourceNotFoundError):
            groups.get("short-lived")

    def test_a_machine_lives_and_dies(self):
        studio = Studio(self.clients, "desks")
        vnet = studio.network()
        self.assertEqual(vnet.provisioning_state, "Succeeded")
        card = studio.card(vnet.subnets[0].id)
        self.assertRegex(card.ip_configurations[0].private_ip_address, r"^10\.9\.1\.\d+$")
        made = studio.machine(card.id)
        self.assertEqual(made.provisioning_state, "Succeeded")
        self.assertRegex(made.vm_id, r"^[0-9a-f-]{36}$")

        machines = self.clients.compute.virtual_machines
        machines.begin_deallocate("desks", "desk").result()
        self.assertEqual(self.power("desks"), "PowerState/deallocated")
        machines.begin_start("desks", "desk").result()
        self.assertEqual(self.power("desks"), "PowerState/running")
        machines.begin_power_off("desks", "desk").result()
        self.assertEqual(self.power("desks"), "PowerState/stopped")
        tagged = machines.begin_update("desks", "desk", {"tags": {"shot": "010"}}).result()
        self.assertEqual(tagged.tags, {"shot": "010"})
        said = machines.begin_start("desks", "desk").result()
        self.assertIsNone(said)
        said = machines.begin_run_command(
            "desks", "desk", {"commandId": "RunShellScript", "script": ["true"]}
        ).result()
        self.assertEqual(said.value[0].code, "ProvisioningState/succeeded")

        machines.begin_delete("desks", "desk").result()
        self.assertEqual(list(machines.list("desks")), [])
        network = self.clients.network
        network.network_interfaces.begin_delete("desks", "nic").result()
        network.virtual_networks.begin_delete("desks", "net").result()
        self.assertEqual(list(network.virtual_networks.list("desks")), [])
        self.clients.resource.resource_groups.begin_delete("desks").result()

    def power(self, group):
        view = self.clients.compute.virtual_machines.instance_view(group, "desk")
        return view.statuses[-1].code

    def test_addresses_rules_and_gateways(self):
        Studio(self.clients, "outside")
        network, location = self.clients.network, {"location": "westeurope"}
        standard = {**location, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
        address = network.public_ip_addresses.begin_create_or_update("outside", "ip", standard).result()
        gateway = network.nat_gateways.begin_create_or_update(
            "outside",
            "nat",
            {**location, "sku": {"name": "Standard"}, "properties": {"publicIpAddresses": [{"id": address.id}]}},
        ).result()
        self.assertEqual(gateway.public_ip_addresses[0].id.lower(), address.id.lower())
        group = network.network_security_groups.begin_create_or_update("outside", "nsg", location).result()
        self.assertEqual(group.security_rules, [])
        rule = {
            "properties": {
                "priority": 100,
                "direction": "Inbound",
                "access": "Allow",
                "protocol": "Tcp",
                "sourceAddressPrefix": "192.0.2.0/24",
                "sourcePortRange": "*",
                "destinationAddressPrefix": "*",
                "destinationPortRange": "22",
            }
        }
        network.security_rules.begin_create_or_update("outside", "nsg", "ssh", rule).result()
        rules = network.network_security_groups.get("outside", "nsg").security_rules
        self.assertEqual([(one.name, one.priority) for one in rules], [("ssh", 100)])
        network.nat_gateways.begin_delete("outside", "nat").result()
        network.public_ip_addresses.begin_delete("outside", "ip").result()
        network.network_security_groups.begin_delete("outside", "nsg").result()
        self.assertEqual(list(self.clients.resource.resources.list_by_resource_group("outside")), [])

    def test_a_storage_account_and_its_share(self):
        Studio(self.clients, "files")
        storage = self.clients.storage
        self.assertTrue(storage.storage_accounts.check_name_availability({"name": "studiofiles"}).name_available)
        body = {"location": "westeurope", "kind": "FileStorage", "sku": {"name": "Premium_LRS"}}
        account = storage.storage_accounts.begin_create("files", "studiofiles", body).result()
        self.assertEqual(account.provisioning_state, "Succeeded")
        self.assertFalse(storage.storage_accounts.check_name_availability({"name": "studiofiles"}).name_available)
        share = storage.file_shares.create("files", "studiofiles", "reels", {"properties": {"shareQuota": 100}})
        self.assertEqual(share.name, "reels")
        self.assertEqual(storage.file_shares.get("files", "studiofiles", "reels").share_quota, 100)
        storage.storage_accounts.delete("files", "studiofiles")
        self.assertEqual(list(storage.storage_accounts.list_by_resource_group("files")), [])
