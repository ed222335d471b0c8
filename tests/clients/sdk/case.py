"""A test case over a served world."""

import unittest

from client import Clients
from common import SPEED, Yard


class Served(unittest.TestCase):
    """Each class has a world of its own, with the farm of our CLI in it."""

    speed = SPEED

    @classmethod
    def setUpClass(cls):
        cls.yard = Yard()
        cls.addClassCleanup(cls.yard.close)
        cls.yard.flamenco("deploy", "--yes")
        cls.server = cls.yard.serve(cls.speed)
        cls.addClassCleanup(cls.server.close)
        cls.clients = Clients(cls.server)
        cls.addClassCleanup(cls.clients.close)

    def refused(self, kind, status, code, call):
        """The call raises this kind of error with this status and code."""
        with self.assertRaises(kind) as caught:
            call()
        self.assertEqual(caught.exception.status_code, status)
        found = caught.exception.error.code if caught.exception.error else None
        self.assertEqual(found, code, str(caught.exception))
        return caught.exception
