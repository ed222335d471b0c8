"""`az` with a configuration of its own, signed in to a server."""

import atexit
import collections
import itertools
import json
import os
import subprocess
import tempfile
import unittest

from common import SUBSCRIPTION, TENANT, TOOLS, Yard

PYTHON = TOOLS / "az/bin/python"

# How many commands were run, for the figures in docs/testing.md.
runs = collections.Counter()


@atexit.register
def tell():
    print(f"az: {runs.total()} commands, {len(runs)} different")


class Signed(unittest.TestCase):
    """Each class has a world of its own with the farm of our CLI in it, and `az` signed in to it."""

    @classmethod
    def setUpClass(cls):
        cls.yard = Yard()
        cls.addClassCleanup(cls.yard.close)
        cls.yard.flamenco("deploy", "--yes")
        cls.start()

    @classmethod
    def start(cls):
        cls.server = cls.yard.serve()
        cls.addClassCleanup(cls.server.close)
        cls.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(cls.yard.path),
            # Fresh for each server: it holds the tokens and where the cloud is.
            "AZURE_CONFIG_DIR": tempfile.mkdtemp(prefix="az-", dir=cls.yard.path),
            "REQUESTS_CA_BUNDLE": str(cls.server.ca),
            # Nothing is looked for outside: no telemetry, no newer version, no list of Microsoft's own sign-in hosts.
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "AZURE_AUTO_UPGRADE_ENABLE": "no",
            "AZURE_CORE_INSTANCE_DISCOVERY": "no",
            "AZURE_CORE_SURVEY_MESSAGE": "no",
            "AZURE_CORE_DISPLAY_REGION_IDENTIFIED": "no",
            "AZURE_CORE_NO_COLOR": "yes",
            "AZURE_CORE_OUTPUT": "json",
        }
        cls.az("cloud", "register", "--name", "sim", "--endpoint-resource-manager", cls.server.url)
        cls.az("cloud", "set", "--name", "sim")
        principal = ["--username", "11111111-1111-4111-8111-111111111111", "--password", "any"]
        accounts = cls.az("login", "--service-principal", *principal, "--tenant", TENANT)
        assert [account["id"] for account in accounts] == [SUBSCRIPTION]

    @classmethod
    def call(cls, *words):
        runs[" ".join(itertools.takewhile(lambda word: not word.startswith("-"), words))] += 1
        command = [PYTHON, "-m", "azure.cli", *words]
        return subprocess.run(command, env=cls.environment, capture_output=True, text=True, check=False, timeout=120)

    @classmethod
    def az(cls, *words):
        """Runs `az`; what it printed as JSON, or None."""
        done = cls.call(*words)
        assert done.returncode == 0, f"az {' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def refused(self, code, *words):
        """`az` fails and shows this error code."""
        done = self.call(*words)
        self.assertNotEqual(done.returncode, 0, f"az {' '.join(words)} went well")
        self.assertIn(f"({code})", done.stderr)
        return done
