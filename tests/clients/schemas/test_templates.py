"""Every PUT body of whole lives against Microsoft's ARM template schemas."""

import unittest

import traffic
from template_schemas import KNOWN, SCHEMAS, complaints


class Templates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        puts = []
        cls.without = set()
        for exchange in traffic.load():
            request = exchange["request"]
            target = traffic.Target(request["url"])
            if request["method"] != "PUT" or not exchange["ours"] or not target.provider:
                continue
            kind = target.kind.lower()
            if kind in SCHEMAS:
                puts.append(((kind, target.name), request["body"]))
            else:
                cls.without.add(kind)
        cls.sent = len(puts)
        cls.puts = traffic.distinct(puts)

    def test_every_body_fits(self):
        wrong, used = [], set()
        for (kind, name), body in self.puts:
            for path, message in complaints(kind, name, body, used):
                wrong.append(f"{kind} {name}: {path}: {message}")
        bodies = f"{self.sent} PUT bodies of {len(SCHEMAS)} types, {len(self.puts)} distinct"
        print(f"template schemas: {bodies}, {len(wrong)} complaints")
        self.assertEqual(wrong, [])
        self.assertEqual(used, set(KNOWN), "exceptions that nothing needs")
        self.assertEqual({kind for (kind, _), _ in self.puts}, set(SCHEMAS), "each is sent")
        without = {"microsoft.authorization/roleassignments", "microsoft.managedidentity/userassignedidentities"}
        self.assertEqual(self.without, without, "no schema at hand")

    def test_no_misspelt_property_passes(self):
        tried = 0
        for (kind, name), body in self.puts:
            for path, wrong in traffic.misspelt(body):
                tried += 1
                self.assertTrue(complaints(kind, name, wrong), f"{kind}: {path} may be misspelt")
        print(f"template schemas: {tried} misspelt properties refused")
        self.assertGreater(tried, 300)
