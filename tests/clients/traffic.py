"""What whole lives of farms send and get, written by `wire-traffic`, and how judges are tried on wrong bodies."""

import copy
import json
import re
import subprocess
import tempfile
import urllib.parse

from common import BINARIES


def load():
    """Exchanges: {ours, request {method, url, headers, body}, response {status, headers, body}}."""
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as file:
        command = [BINARIES / "wire-traffic", file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in file]


class Target:
    """What a URL is about."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host, self.path = parts.netloc, parts.path
        self.version = dict(urllib.parse.parse_qsl(parts.query)).get("api-version")
        after = re.split("/providers/", self.path, flags=re.IGNORECASE)
        words = after[-1].split("/") if len(after) > 1 else []
        self.provider = words[0] if words else None
        self.kind = "/".join(words[:1] + words[1::2])
        self.name = "/".join(words[2::2])


# Objects whose member names are the users' own.
DICTIONARIES = ("tags", "userAssignedIdentities")


def members(body, path=()):
    """The path of every member of a body's objects."""
    if isinstance(body, dict):
        for name, value in body.items():
            yield (*path, name)
            if name not in DICTIONARIES:
                yield from members(value, (*path, name))
    elif isinstance(body, list):
        for index, item in enumerate(body):
            yield from members(item, (*path, index))


def misspelt(body):
    """The body once for each of its members, with that member's name misspelt: (path, wrong body)."""
    for path in members(body):
        wrong = copy.deepcopy(body)
        holder = wrong
        for word in path[:-1]:
            holder = holder[word]
        holder[f"{path[-1]}X"] = holder.pop(path[-1])
        yield path, wrong


def distinct(bodies):
    """Each (key, body) once."""
    seen = {}
    for key, body in bodies:
        seen.setdefault((key, json.dumps(body, sort_keys=True)), (key, body))
    return list(seen.values())
