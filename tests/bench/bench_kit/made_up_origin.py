"""`bench_origin` as a process: contents that are made up, so that they need no disk."""

import hashlib
import json
import os
import urllib.request

from bench_kit.swarm import loopback
from kit import daemons
from kit.net import LoopbackHost
from kit.process import Process, wait_for


class MadeUpOrigin:
    """url("name", size) is a content of that size, different for each name."""

    def __init__(self, directory, delay_ms=0.0, port=8080):
        ip = loopback(1)
        self.address = f"{ip}:{port}"
        host = LoopbackHost("origin", ip)
        os.makedirs(directory, exist_ok=True)
        self.process = Process(
            "origin",
            host.command(
                os.path.join(daemons.BIN, "bench_origin"),
                *("--ip", ip, "--port", str(port), "--delay-ms", str(delay_ms)),
            ),
            os.path.join(directory, "console.log"),
        )
        wait_for("the origin", lambda: daemons._port_open(ip, port))

    def url(self, name, size):
        return f"http://{self.address}/{size}/{name}"

    def sha256(self, name, size):
        """Of what it has under that name, asked of itself."""
        digest = hashlib.sha256()
        with urllib.request.urlopen(self.url(name, size), timeout=60) as body:
            while part := body.read(1 << 20):
                digest.update(part)
        return digest.hexdigest()

    def stats(self):
        """{"requests": …, "body_bytes": …} so far."""
        return json.loads(daemons._http_get(f"http://{self.address}/stats"))

    def close(self):
        self.process.kill()
