#!/usr/bin/python3
"""Stands for flamenco-manager and flamenco-worker, by the name it is called by: reads their files, speaks their calls."""

import http.server
import json
import os
import sys
import time
import urllib.request

WORKERS = []


class Manager(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/api/v3/version":
            self.answer(200, {"version": VERSION, "shortversion": VERSION, "name": "Flamenco", "git": "v"})
        elif self.path == "/api/v3/worker-mgt/workers":
            self.answer(200, {"workers": WORKERS})
        else:
            worker = next((w for w in WORKERS if self.path.endswith(w["id"])), None)
            self.answer(200 if worker else 404, worker or {})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = len(WORKERS)
        WORKERS.append({"id": "00000000-0000-4000-8000-%012d" % number, "name": body["name"], "status": "awake"})
        self.answer(200, WORKERS[-1])

    def log_message(self, *_):
        pass


def setting(file, name):
    for line in open(file, encoding="utf-8"):
        if line.startswith(name + ":"):
            return line.split(":", 1)[1].strip().strip('"')
    raise SystemExit("%s has no %s" % (file, name))


def manager():
    shared = setting("flamenco-manager.yaml", "shared_storage_path")
    for folder in ("file-store", "jobs"):
        os.makedirs(os.path.join(shared, folder), exist_ok=True)
    open(setting("flamenco-manager.yaml", "database"), "ab").close()
    port = int(setting("flamenco-manager.yaml", "listen").rsplit(":", 1)[1])
    http.server.ThreadingHTTPServer(("", port), Manager).serve_forever()


def worker():
    url = setting("flamenco-worker.yaml", "manager_url") + "/api/v3/worker/register-worker"
    open(os.path.join(os.environ["FLAMENCO_HOME"], "flamenco-worker-credentials.yaml"), "a").close()
    body = json.dumps({"name": os.environ["FLAMENCO_WORKER_NAME"]}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).read()
    while True:
        time.sleep(60)


VERSION = os.path.basename(os.path.dirname(os.path.realpath(__file__))).split("-")[1]
if __name__ == "__main__":
    manager() if os.path.basename(sys.argv[0]) == "flamenco-manager" else worker()
