"""Whole lives against Microsoft's OpenAPI specification, judged by Microsoft's live validator (npm package oav)."""

import collections
import copy
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import traffic
from common import TOOLS, TRUTH
from known import COMPLAINTS, VERSIONS, WITHOUT_OPERATION

SPECIFICATION = TRUTH / "openapi/specification"
JUDGE = pathlib.Path(__file__).with_name("judge.js")


def is_specified(host):
    """Whether the specification at hand is about what this host serves."""
    return host == "management.azure.com" or host.endswith(".batch.azure.com")


def aged(url):
    """The URL with the api-version that the specification has."""
    target = traffic.Target(url)
    name = target.provider or ("batch data plane" if target.host.endswith(".batch.azure.com") else None)
    version = VERSIONS.get((name, target.version), target.version)
    return url.replace(f"api-version={target.version}", f"api-version={version}")


def pair(exchange):
    """An exchange in oav's form."""
    request, response = exchange["request"], exchange["response"]
    sent = {"method": request["method"], "url": aged(request["url"]), "headers": request["headers"]}
    got = {"statusCode": str(response["status"]), "headers": response["headers"]}
    for side, body in ((sent, request["body"]), (got, response["body"])):
        if body is not None:
            side["body"] = body
    return {"liveRequest": sent, "liveResponse": got}


def judge(pairs):
    """oav's verdict on each pair: {operation, errors: [{side, code, path, message}]}."""
    with tempfile.TemporaryDirectory() as directory:
        asked, said = pathlib.Path(directory, "pairs.json"), pathlib.Path(directory, "verdicts.json")
        asked.write_text(json.dumps(pairs))
        command = ["node", JUDGE, TOOLS / "oav/node_modules", SPECIFICATION, asked, said]
        subprocess.run(command, check=True)
        return json.loads(said.read_text())


def complaint(error):
    """The allow-listed complaint that this error is, if any. oav joins the paths of several."""
    ends = {re.sub(r"\[\d+\]", "", path).removeprefix("$.") for path in error["path"].split(" ")}
    for known in COMPLAINTS:
        side, code, end = known
        if (side, code) == (error["side"], error["code"]) and all(path.endswith(end) for path in ends):
            return known
    return None


def without_operation(url):
    """The allow-listed pattern of a path that no operation has, if any."""
    path = traffic.Target(url).path
    return next((pattern for pattern in WITHOUT_OPERATION if re.search(pattern, path)), None)


class Oav(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Prices, Storage's data plane and downloads are other APIs; the bodies that the tour sends are wrong on purpose.
        exchanges = [e for e in traffic.load() if is_specified(traffic.Target(e["request"]["url"]).host)]
        cls.exchanges = [e for e in exchanges if e["ours"] or e["request"]["method"] in ("GET", "POST")]

    def test_whole_lives_pass(self):
        used, wrong, operations = set(), collections.Counter(), collections.Counter()
        judged = [e for e in self.exchanges if not self.is_without(e, used)]
        for exchange, verdict in zip(judged, judge([pair(e) for e in judged]), strict=True):
            request = exchange["request"]
            operations[verdict["operation"]] += 1
            for error in verdict["errors"]:
                known = complaint(error)
                if known:
                    used.add(known)
                else:
                    what = f"{error['side']} {error['code']} {error['path']}: {error['message']}"
                    answer = f"{verdict['operation']} {request['method']} {exchange['response']['status']}"
                    wrong[f"{answer} {what}"] += 1
        matched = len(judged) - operations[None]
        print(
            f"oav: {matched} of {len(judged)} exchanges matched {len(operations)} operations, "
            f"{wrong.total()} complaints; {len(self.exchanges) - len(judged)} more have no operation by an allow-listed reason"
        )
        lines = [f"{count} x {line}" for line, count in wrong.most_common(30)]
        self.assertEqual(wrong.total(), 0, "\n" + "\n".join(lines))
        self.assertEqual(operations[None], 0)
        self.assertEqual({*COMPLAINTS, *WITHOUT_OPERATION} - used, set(), "exceptions that nothing needs")
        self.assertGreaterEqual(len(operations), 40)
        self.assertGreaterEqual(matched, 700)

    def is_without(self, exchange, used):
        pattern = without_operation(exchange["request"]["url"])
        if pattern:
            used.add(pattern)
        return pattern is not None

    def test_no_misspelt_property_of_a_request_passes(self):
        by_request = {}
        for exchange in self.exchanges:
            request = exchange["request"]
            if exchange["ours"] and request["body"] and not without_operation(request["url"]):
                by_request[request["method"], request["url"]] = exchange
        self.falsify("request", by_request.values())

    def test_no_misspelt_property_of_an_answer_passes(self):
        answered = [e for e in self.exchanges if e["response"]["body"] and not without_operation(e["request"]["url"])]
        longest = {}
        for exchange, verdict in zip(answered, judge([pair(e) for e in answered]), strict=True):
            exchange = copy.deepcopy(exchange)
            body = exchange["response"]["body"]
            if isinstance(body, dict) and isinstance(body.get("value"), list):
                del body["value"][1:]
            key = verdict["operation"], exchange["response"]["status"]
            if key not in longest or len(str(body)) > len(str(longest[key]["response"]["body"])):
                longest[key] = exchange
        self.falsify("response", longest.values())

    def falsify(self, side, exchanges):
        """Each property of each body, misspelt, is refused; but for what is inside an allow-listed property."""
        pairs, names = [], []
        for exchange in exchanges:
            request = exchange["request"]
            for path, wrong in traffic.misspelt(exchange[side]["body"]):
                pairs.append(pair({**exchange, side: {**exchange[side], "body": wrong}}))
                names.append(f"{request['method']} {traffic.Target(request['url']).path}: {'.'.join(map(str, path))}")
        passed = []
        for name, verdict in zip(names, judge(pairs), strict=True):
            if not any(error["side"] == side and not complaint(error) for error in verdict["errors"]):
                passed.append(name)
        inside = re.compile(r"\.?\b(" + "|".join(re.escape(end) for _, _, end in COMPLAINTS) + r")\.")
        print(f"oav: {len(names) - len(passed)} of {len(names)} misspelt properties in {side} bodies refused")
        self.assertEqual([name for name in passed if not inside.search(name.split(": ", 1)[1])], [])
