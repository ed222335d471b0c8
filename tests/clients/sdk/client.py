"""Microsoft's Python clients, pointed at a server."""

import time

from azure.batch import BatchClient
from azure.core.credentials import AccessToken
from azure.mgmt.batch import BatchManagementClient
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.storage import StorageManagementClient

from common import SUBSCRIPTION


class StaticToken:
    """A credential: the simulator takes any token."""

    def get_token(self, *_scopes, **_options):
        return AccessToken("sdk", int(time.time()) + 86_400)


class Clients:
    """One client of each kind. LROs are polled when the service says (`Retry-After`), else at once."""

    def __init__(self, server, **options):
        usual = {"credential": StaticToken(), "connection_verify": str(server.ca), "polling_interval": 0}
        self._data = {**usual, **options}
        arm = {
            **self._data,
            "subscription_id": SUBSCRIPTION,
            "base_url": server.url,
            "credential_scopes": [f"{server.url}/.default"],
        }
        self.resource = ResourceManagementClient(**arm)
        self.network = NetworkManagementClient(**arm)
        self.compute = ComputeManagementClient(**arm)
        self.storage = StorageManagementClient(**arm)
        self.batch = BatchManagementClient(**arm)

    def data(self, account):
        """The data plane of a Batch account, at the endpoint that the account names."""
        return BatchClient(endpoint=f"https://{account.account_endpoint}", **self._data)

    def close(self):
        for client in (self.resource, self.network, self.compute, self.storage, self.batch):
            client.close()
