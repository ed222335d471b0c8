"""What the suites share: our binaries, a farm that our CLI deployed, and azure-sim serving its world."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

BINARIES = pathlib.Path(os.environ["FLAMENCO_AZURE_BINARIES"])
TRUTH = pathlib.Path(os.environ.get("AZURE_TRUTH_DIR", "../shared/azure"))
TOOLS = pathlib.Path(os.environ["FLAMENCO_AZURE_TOOLS"])

SUBSCRIPTION = "5b3a7c1e-6f5d-4c2b-9a80-0123456789ab"
TENANT = "7e57e57e-57e5-47e5-a7e5-7e57e57e57e5"
REGION = "westeurope"
FARM = f"""\
defaultName: crunch
subscriptionID: {SUBSCRIPTION}
location: {REGION}
resourceGroup: crunch-rg
storageAccountName: crunchfiles
batchAccountName: crunchbatch
virtualMachine: crunch-vm
pools:
  - name: render
    vmSize: Standard_D4as_v5
    dedicated: 2
    spot: 0
"""

# Virtual seconds per second: an operation of a minute is over at the first poll.
SPEED = 120

# The image of the farm's nodes, in the control plane's spelling.
IMAGE = {"publisher": "almalinux", "offer": "almalinux-x86_64", "sku": "9-gen2", "version": "latest"}


def until(what, seconds=60):
    """The first true answer of `what`, asked again and again for so many real seconds."""
    end = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)
    return answer


class Yard:
    """A directory with a farm file and the world that it is deployed to."""

    def __init__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="flamenco-azure-clients-")
        self.path = pathlib.Path(self._directory.name)
        self.world = self.path / "world.json"
        (self.path / "azure_config.yaml").write_text(FARM)

    def flamenco(self, *words, code=0):
        """Runs our CLI on the world; what it printed."""
        command = [BINARIES / "flamenco-azure", *words, "--no-input", f"--simulate={self.world}"]
        done = subprocess.run(command, cwd=self.path, capture_output=True, text=True, check=False)
        text = done.stdout + done.stderr
        assert done.returncode == code, f"{words}: exit code {done.returncode}\n{text}"
        return text

    def read(self):
        """The world as data."""
        return json.loads(self.world.read_text())

    def serve(self, speed=SPEED):
        """azure-sim over this world."""
        return Server(self.path, ["--world", self.world], speed)

    def close(self):
        self._directory.cleanup()


class Server:
    """azure-sim on a free port, over https with a certificate of its own."""

    def __init__(self, directory, options, speed):
        self.ca = directory / "ca.pem"
        command = [BINARIES / "azure-sim", "--port", "0", "--tls", "--ca-file", self.ca, "--speed", str(speed)]
        self._process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        found = re.search(r"https://\S+(?=,)", line)
        assert found, f"azure-sim said {line!r}"
        self.url = found[0]

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
