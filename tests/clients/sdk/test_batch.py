"""Batch accounts and pools in both planes."""

from azure.batch import models
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from case import Served
from common import IMAGE, until
from make import AGENT, Studio, pool


class Batch(Served):
    def test_an_account_and_a_pool_of_the_control_plane(self):
        studio = Studio(self.clients, "crowd")
        account = studio.account("crowdbatch")
        self.assertEqual(account.provisioning_state, "Succeeded")
        self.assertTrue(account.account_endpoint.endswith("/host/crowdbatch.westeurope.batch.azure.com"))
        pools = self.clients.batch.pool
        made = pools.create("crowd", "crowdbatch", "extras", pool(1))
        self.assertEqual(made.allocation_state, "Resizing")
        until(lambda: pools.get("crowd", "crowdbatch", "extras").current_dedicated_nodes == 1)
        scale = {"fixedScale": {"targetDedicatedNodes": 3, "targetLowPriorityNodes": 1}}
        pools.update("crowd", "crowdbatch", "extras", {"properties": {"scaleSettings": scale}})
        until(lambda: pools.get("crowd", "crowdbatch", "extras").allocation_state == "Steady")
        grown = pools.get("crowd", "crowdbatch", "extras")
        self.assertEqual((grown.current_dedicated_nodes, grown.current_low_priority_nodes), (3, 1))
        pools.begin_delete("crowd", "crowdbatch", "extras").result()
        self.assertEqual(list(pools.list_by_batch_account("crowd", "crowdbatch")), [])
        self.clients.batch.batch_account.begin_delete("crowd", "crowdbatch").result()
        with self.assertRaises(ResourceNotFoundError):
            self.clients.batch.batch_account.get("crowd", "crowdbatch")

    def test_a_pool_of_the_data_plane(self):
        account = Studio(self.clients, "stunts").account("stuntbatch")
        with self.clients.data(account) as data:
            machine = models.VirtualMachineConfiguration(
                image_reference=models.BatchVmImageReference(**IMAGE), node_agent_sku_id=AGENT
            )
            wanted = models.BatchPoolCreateOptions(
                id="cars", vm_size="standard_d2as_v5", virtual_machine_configuration=machine, target_dedicated_nodes=1
            )
            data.create_pool(wanted)
            self.refused(ResourceExistsError, 409, "PoolExists", lambda: data.create_pool(wanted))
            self.assertTrue(data.pool_exists("cars"))
            self.assertEqual(self.clients.batch.pool.get("stunts", "stuntbatch", "cars").vm_size, "STANDARD_D2AS_V5")
            until(lambda: data.get_pool("cars").current_dedicated_nodes == 1)
            self.grow_and_shrink(data)
            self.refused(
                ResourceExistsError, 409, "PoolNotBeingResized", lambda: data.begin_stop_pool_resize("cars")
            )
            data.begin_delete_pool("cars", polling_interval=1).result()
            self.assertEqual(list(data.list_pools()), [])

    def grow_and_shrink(self, data):
        bigger = models.BatchPoolResizeOptions(target_dedicated_nodes=3, target_low_priority_nodes=0)
        data.begin_resize_pool("cars", bigger, polling_interval=1).result()
        nodes = list(data.list_nodes("cars"))
        self.assertEqual(len(nodes), 3)
        until(lambda: all(node.state == "idle" for node in data.list_nodes("cars")))
        counts = next(iter(data.list_pool_node_counts(filter="poolId eq 'cars'")))
        self.assertEqual((counts.dedicated.idle, counts.dedicated.total), (3, 3))
        gone = nodes[0].id
        data.begin_remove_nodes("cars", models.BatchNodeRemoveOptions(node_ids=[gone]), polling_interval=1).result()
        self.assertNotIn(gone, [node.id for node in data.list_nodes("cars")])
        self.assertEqual(data.get_pool("cars").target_dedicated_nodes, 2)

    def test_images_and_quotas(self):
        account = self.clients.batch.batch_account.get("crunch-rg", "crunchbatch")
        with self.clients.data(account) as data:
            agents = {image.node_agent_sku_id for image in data.list_supported_images()}
            self.assertIn(AGENT, agents)
        self.assertGreater(self.clients.batch.location.get_quotas("westeurope").account_quota, 0)
        sizes = [size.name for size in self.clients.batch.location.list_supported_virtual_machine_skus("westeurope")]
        self.assertIn("Standard_D4as_v5", sizes)
