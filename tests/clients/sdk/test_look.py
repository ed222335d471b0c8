"""The farm that our CLI deployed, seen by Microsoft's clients."""

from common import REGION
from case import Served

GROUP = "crunch-rg"


class Look(Served):
    def test_the_group_says_whose_it_is(self):
        group = self.clients.resource.resource_groups.get(GROUP)
        self.assertEqual(group.tags["flamenco-farm.crunch"], "created")
        self.assertEqual(group.location, REGION)
        self.assertTrue(self.clients.resource.resource_groups.check_existence(GROUP))

    def test_every_top_level_resource_has_the_tag(self):
        found = list(self.clients.resource.resources.list_by_resource_group(GROUP))
        kinds = sorted(resource.type.lower() for resource in found)
        self.assertEqual(
            kinds,
            [
                "microsoft.batch/batchaccounts",
                "microsoft.compute/disks",
                "microsoft.compute/virtualmachines",
                "microsoft.managedidentity/userassignedidentities",
                "microsoft.network/natgateways",
                "microsoft.network/networkinterfaces",
                "microsoft.network/networksecuritygroups",
                "microsoft.network/networksecuritygroups",
                "microsoft.network/publicipaddresses",
                "microsoft.network/publicipaddresses",
                "microsoft.network/virtualnetworks",
                "microsoft.storage/storageaccounts",
            ],
        )
        for resource in found:
            self.assertEqual(resource.tags.get("flamenco-farm"), "crunch", resource.id)

    def test_tags_select(self):
        for farm, count in (("crunch", 12), ("another", 0)):
            tag = f"tagName eq 'flamenco-farm' and tagValue eq '{farm}'"
            self.assertEqual(len(list(self.clients.resource.resources.list(filter=tag))), count)

    def test_the_network(self):
        network = self.clients.network
        vnet = network.virtual_networks.get(GROUP, "crunch-vm-vnet")
        self.assertEqual(sorted(subnet.name for subnet in vnet.subnets), ["manager", "workers"])
        for subnet in vnet.subnets:
            self.assertTrue(subnet.nat_gateway.id.endswith("/crunch-vm-nat"))
            self.assertFalse(subnet.default_outbound_access)
        self.assertEqual(vnet.provisioning_state, "Succeeded")
        address = network.public_ip_addresses.get(GROUP, "crunch-vm-ip")
        self.assertEqual(address.sku.name, "Standard")
        self.assertEqual(address.public_ip_allocation_method, "Static")
        self.assertRegex(address.ip_address, r"^\d+\.\d+\.\d+\.\d+$")
        card = network.network_interfaces.get(GROUP, "crunch-vm-nic")
        self.assertTrue(card.virtual_machine.id.lower().endswith("/virtualmachines/crunch-vm"))
        rules = network.network_security_groups.get(GROUP, "crunch-vm-nsg").default_security_rules
        self.assertEqual(len(rules), 6)
        gateway = network.nat_gateways.get(GROUP, "crunch-vm-nat")
        self.assertEqual(len(gateway.subnets), 2)

    def test_the_manager(self):
        machine = self.clients.compute.virtual_machines.get(GROUP, "crunch-vm", expand="instanceView")
        self.assertEqual(machine.hardware_profile.vm_size, "Standard_B2s_v2")
        codes = [status.code for status in machine.instance_view.statuses]
        self.assertEqual(codes, ["ProvisioningState/succeeded", "PowerState/running"])
        self.assertTrue(machine.os_profile.linux_configuration.disable_password_authentication)
        self.assertIsNone(machine.os_profile.custom_data)
        self.assertEqual([vm.name for vm in self.clients.compute.virtual_machines.list_all()], ["crunch-vm"])
        disk = machine.storage_profile.os_disk.managed_disk.id.rsplit("/", 1)[1]
        self.assertEqual(self.clients.compute.disks.get(GROUP, disk).tags["flamenco-farm"], "crunch")

    def test_the_storage(self):
        account = self.clients.storage.storage_accounts.get_properties(GROUP, "crunchfiles")
        self.assertEqual((account.kind, account.sku.name), ("FileStorage", "Premium_LRS"))
        self.assertFalse(account.allow_shared_key_access)
        shares = list(self.clients.storage.file_shares.list(GROUP, "crunchfiles"))
        self.assertEqual([(share.name, share.enabled_protocols) for share in shares], [("flamenco", "NFS")])

    def test_the_pool_in_both_planes(self):
        account = self.clients.batch.batch_account.get(GROUP, "crunchbatch")
        self.assertEqual(account.allowed_authentication_modes, ["AAD"])
        pool = self.clients.batch.pool.get(GROUP, "crunchbatch", "render")
        self.assertEqual(pool.vm_size, "STANDARD_D4AS_V5")
        self.assertEqual(pool.current_dedicated_nodes, 2)
        with self.clients.data(account) as data:
            seen = data.get_pool("render")
            self.assertEqual(seen.target_dedicated_nodes, 2)
            self.assertEqual(seen.start_task.user_identity.auto_user.elevation_level, "admin")
            self.assertEqual(seen.start_task.command_line, pool.start_task.command_line)
            nodes = list(data.list_nodes("render"))
            self.assertEqual(len(nodes), 2)
            self.assertTrue(all(node.is_dedicated for node in nodes))
