"""Refusals become the exceptions that Microsoft's clients have for them."""

import time

from azure.batch import models
from azure.core import MatchConditions
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from case import Served
from client import Clients, StaticToken
from make import Studio, machine

GROUP = "crunch-rg"


class Errors(Served):
    def test_404(self):
        clients, gone = self.clients, ResourceNotFoundError
        for code, call in [
            ("ResourceGroupNotFound", lambda: clients.resource.resource_groups.get("absent")),
            ("ResourceGroupNotFound", lambda: clients.compute.virtual_machines.get("absent", "vm")),
            ("ResourceNotFound", lambda: clients.compute.virtual_machines.get(GROUP, "absent")),
            ("ResourceNotFound", lambda: clients.network.virtual_networks.get(GROUP, "absent")),
            ("ResourceNotFound", lambda: clients.storage.storage_accounts.get_properties(GROUP, "absent")),
            ("ResourceNotFound", lambda: clients.batch.batch_account.get(GROUP, "absent")),
            ("PoolNotFound", lambda: clients.batch.pool.get(GROUP, "crunchbatch", "absent")),
        ]:
            with self.subTest(code=code):
                self.refused(gone, 404, code, call)
        account = clients.batch.batch_account.get(GROUP, "crunchbatch")
        with clients.data(account) as data:
            self.refused(gone, 404, "PoolNotFound", lambda: data.get_pool("absent"))

    def test_409(self):
        self.refused(
            ResourceExistsError,
            409,
            "InvalidResourceGroupLocation",
            lambda: self.clients.resource.resource_groups.create_or_update(GROUP, {"location": "northeurope"}),
        )

    def test_what_is_in_use_stays(self):
        network = self.clients.network
        for code, operations, name in [
            ("InUseNetworkSecurityGroupCannotBeDeleted", network.network_security_groups, "crunch-vm-nsg"),
            ("PublicIPAddressCannotBeDeleted", network.public_ip_addresses, "crunch-vm-ip"),
            ("NicInUse", network.network_interfaces, "crunch-vm-nic"),
            ("InUseSubnetCannotBeDeleted", network.virtual_networks, "crunch-vm-vnet"),
        ]:
            with self.subTest(code=code):
                self.refused(HttpResponseError, 400, code, lambda o=operations, n=name: o.begin_delete(GROUP, n))

    def test_412(self):
        network, only_if = self.clients.network, {"headers": {"If-Match": 'W/"00000000-0000-0000-0000-000000000000"'}}
        vnet = network.virtual_networks.get(GROUP, "crunch-vm-vnet")
        self.refused(
            HttpResponseError,
            412,
            "PreconditionFailed",
            lambda: network.virtual_networks.begin_create_or_update(GROUP, vnet.name, vnet, **only_if),
        )
        pools = self.clients.batch.pool
        stale = {"etag": 'W/"0x8D00000000000000"', "match_condition": MatchConditions.IfNotModified}
        empty = {"properties": {"metadata": [{"name": "a", "value": "b"}]}}
        self.refused(
            ResourceModifiedError,
            412,
            "PreconditionFailed",
            lambda: pools.update(GROUP, "crunchbatch", "render", empty, **stale),
        )
        fresh = {**stale, "etag": pools.get(GROUP, "crunchbatch", "render").etag}
        pools.update(GROUP, "crunchbatch", "render", empty, **fresh)
        account = self.clients.batch.batch_account.get(GROUP, "crunchbatch")
        with self.clients.data(account) as data:
            resize = models.BatchPoolResizeOptions(target_dedicated_nodes=3)
            stale = {"etag": "0x8D00000000000000", "match_condition": MatchConditions.IfNotModified}
            self.refused(
                ResourceModifiedError,
                412,
                "ConditionNotMet",
                lambda: data.begin_resize_pool("render", resize, **stale),
            )

    def test_machines_that_the_quota_forbids(self):
        studio = Studio(self.clients, "big")
        desks = studio.network().subnets[0].id
        machines = self.clients.compute.virtual_machines
        for name in ("one", "two", "three", "four", "five"):
            body = machine(studio.card(desks, name).id)
            body["properties"]["hardwareProfile"]["vmSize"] = "Standard_D64as_v5"
            machines.begin_create_or_update("big", name, body, polling=False)
        body = machine(studio.card(desks, "six").id)
        body["properties"]["hardwareProfile"]["vmSize"] = "Standard_D64as_v5"
        error = self.refused(
            ResourceExistsError,
            409,
            "OperationNotAllowed",
            lambda: machines.begin_create_or_update("big", "six", body, polling=False),
        )
        self.assertIn("Current Limit: 350, Current Usage: 3", error.message)

    def test_no_token(self):
        class Nothing(StaticToken):
            def get_token(self, *_scopes, **_options):
                return AccessToken("", int(time.time()) + 3600)

        nobody = Clients(self.server, credential=Nothing())
        self.addCleanup(nobody.close)
        self.refused(
            ClientAuthenticationError,
            401,
            "AuthenticationFailed",
            lambda: list(nobody.resource.resource_groups.list()),
        )


class Meanwhile(Served):
    """At real speed: what is refused while something else goes on."""

    speed = 1

    def test_a_group_that_is_being_deleted(self):
        Studio(self.clients, "busy")
        groups = self.clients.resource.resource_groups
        groups.begin_delete("busy", polling=False)
        again = {"location": "westeurope"}
        self.refused(
            ResourceExistsError, 409, "ResourceGroupBeingDeleted", lambda: groups.create_or_update("busy", again)
        )

    def test_a_pool_that_is_being_resized(self):
        batch = self.clients.batch
        with self.clients.data(batch.batch_account.get(GROUP, "crunchbatch")) as data:
            bigger = models.BatchPoolResizeOptions(target_dedicated_nodes=9, target_low_priority_nodes=0)
            data.begin_resize_pool("render", bigger)
            for call in (
                lambda: data.begin_resize_pool("render", bigger),
                lambda: batch.pool.update(GROUP, "crunchbatch", "render", scaled(5)),
            ):
                self.refused(ResourceExistsError, 409, "PoolBeingResized", call)
            data.begin_stop_pool_resize("render")
            self.assertEqual(data.get_pool("render").allocation_state, "stopping")


def scaled(dedicated):
    fixed = {"targetDedicatedNodes": dedicated, "targetLowPriorityNodes": 0}
    return {"properties": {"scaleSettings": {"fixedScale": fixed}}}


class Throttled(Served):
    """At real speed: ARM's bucket of 250 reads fills up by 25 a second."""

    speed = 1

    def exhaust(self, clients):
        """Reads until it is refused."""
        for _ in range(2000):
            try:
                clients.resource.resource_groups.get(GROUP)
            except HttpResponseError as error:
                return error
        return self.fail("never throttled")

    def test_429(self):
        impatient = Clients(self.server, retry_total=0)
        self.addCleanup(impatient.close)
        error = self.exhaust(impatient)
        self.assertEqual((error.status_code, error.error.code), (429, "SubscriptionRequestsThrottled"))
        wait = int(error.response.headers["Retry-After"])
        self.assertGreaterEqual(wait, 1)
        # A client that obeys Retry-After gets through all the same, after waits of that length.
        seen = []
        patient = Clients(
            self.server, raw_response_hook=lambda r: seen.append((r.http_response.status_code, time.monotonic()))
        )
        self.addCleanup(patient.close)
        for _ in range(60):
            patient.resource.resource_groups.get(GROUP)
        statuses = [status for status, _ in seen]
        self.assertEqual(statuses.count(200), 60)
        refused = [index for index, status in enumerate(statuses) if status == 429]
        self.assertGreaterEqual(len(refused), 1)
        for index in refused:
            self.assertGreaterEqual(seen[index + 1][1] - seen[index][1], 1)
