"""Our daemons as processes on hosts, configured by YAML files that the test writes."""

import json
import os
import re
import socket
import subprocess
import urllib.request

from .process import Process, wait_for

_ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3)
BIN = os.path.abspath(os.environ.get("DF_BIN_DIR", os.path.join(_ROOT, "build/release/bin")))


def _write_yaml(path, value):
    # JSON is YAML, and every value in these files has the same meaning in both.
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)


def _http_get(url):
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.read().decode()


def _port_open(ip, port):
    with socket.create_connection((ip, port), timeout=1):
        return True


class Metrics:
    """A scrape: `sum("dragonfly_client_download_traffic", type="REMOTE_PEER")`."""

    _LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
    _LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        self.samples = []
        for line in text.splitlines():
            match = self._LINE.match(line)
            if match:
                labels = dict(self._LABEL.findall(match.group(2) or ""))
                self.samples.append((match.group(1), labels, float(match.group(3))))

    def sum(self, name, **labels):
        return sum(
            value
            for sample, have, value in self.samples
            if sample == name and all(have.get(key) == text for key, text in labels.items())
        )


class Daemon:
    """Start, metrics, kill and restart of one program on one host."""

    metrics_port = None

    def __init__(self, host, directory, name):
        self.host = host
        self.directory = directory
        self.name = name
        self.process = None
        os.makedirs(directory, exist_ok=True)

    def command(self):
        raise NotImplementedError

    def ready(self):
        raise NotImplementedError

    def start(self, wait=True):
        self.process = Process(
            self.name, self.host.command(*self.command()), os.path.join(self.directory, "console.log")
        )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def check():
            if not self.process.alive():
                raise AssertionError(f"{self.name} ended at start:\n{self.process.log_tail()}")
            return self.ready()

        wait_for(f"{self.name} to be ready", check)

    def metrics(self):
        return Metrics(_http_get(f"http://{self.host.ip}:{self.metrics_port}/metrics"))

    def kill(self):
        self.process.kill()

    def stop(self):
        return self.process.stop()

    def close(self):
        if self.process is not None and self.process.alive():
            self.process.kill()


class Manager(Daemon):
    metrics_port = 8000

    def __init__(self, host, directory):
        super().__init__(host, directory, "manager")
        self.config = os.path.join(directory, "manager.yaml")
        _write_yaml(
            self.config,
            {
                "server": {
                    "grpc": {
                        "listenIP": host.ip,
                        "advertiseIP": host.ip,
                        "port": {"start": 65003, "end": 65003},
                    },
                    "rest": {"addr": f"{host.ip}:8080"},
                    "logDir": os.path.join(directory, "log"),
                    "cacheDir": os.path.join(directory, "cache"),
                },
                "database": {
                    "type": "sqlite",
                    "sqlite": {"path": os.path.join(directory, "manager.db")},
                },
                "metrics": {"enable": True, "addr": f"{host.ip}:8000"},
            },
        )

    @property
    def address(self):
        return f"{self.host.ip}:65003"

    def command(self):
        return [os.path.join(BIN, "manager"), "--config", self.config, "--console"]

    def ready(self):
        return _port_open(self.host.ip, 65003) and _port_open(self.host.ip, 8000)


class Scheduler(Daemon):
    metrics_port = 8001

    def __init__(self, host, directory, manager=None, extra=None):
        super().__init__(host, directory, "scheduler")
        self.config = os.path.join(directory, "scheduler.yaml")
        self.dynconfig = os.path.join(directory, "dynconfig.yaml")
        config = {
            "server": {
                "listenIP": host.ip,
                "advertiseIP": host.ip,
                "port": 8002,
                "host": host.name,
                "logLevel": os.environ.get("DF_E2E_LOG_LEVEL", "info"),
                "logDir": os.path.join(directory, "log"),
                "cacheDir": os.path.join(directory, "cache"),
            },
            "metrics": {"enable": True, "addr": f"{host.ip}:8001"},
        }
        if manager is not None:
            config["manager"] = {
                "addr": manager.address,
                "schedulerClusterID": 1,
                "keepAlive": {"interval": "1s"},
            }
        config.update(extra or {})
        _write_yaml(self.config, config)
        _write_yaml(
            self.dynconfig,
            {
                "schedulerClusterConfig": {"candidateParentLimit": 4, "filterParentLimit": 15},
                "schedulerClusterClientConfig": {"loadLimit": 200},
                "seedPeerClusterConfig": {"loadLimit": 2000},
            },
        )

    @property
    def address(self):
        return f"{self.host.ip}:8002"

    def command(self):
        return [
            os.path.join(BIN, "scheduler"),
            *("--config", self.config, "--dynconfig", self.dynconfig, "--console"),
        ]

    def ready(self):
        return _port_open(self.host.ip, 8002) and _port_open(self.host.ip, 8001)

    def announced_hosts(self):
        return self.metrics().sum("dragonfly_scheduler_announce_host_total")


class Redis(Daemon):
    """A redis-server that keeps nothing on disk: killed, it comes back empty."""

    def __init__(self, host, directory):
        super().__init__(host, directory, "redis")

    @property
    def address(self):
        return f"{self.host.ip}:6379"

    def command(self):
        return [
            "redis-server",
            *("--bind", self.host.ip, "--port", "6379", "--protected-mode", "no"),
            *("--save", "", "--appendonly", "no", "--dir", self.directory),
        ]

    def ready(self):
        return _port_open(self.host.ip, 6379)


class Dfdaemon(Daemon):
    metrics_port = 4002

    def __init__(self, host, directory, manager=None, schedulers=(), seed=False, extra=None):
        super().__init__(host, directory, f"dfdaemon {host.name}")
        self.socket = os.path.join(directory, "dfdaemon.sock")
        self.storage = os.path.join(directory, "storage")
        self.config = os.path.join(directory, "dfdaemon.yaml")
        self.dynconfig = os.path.join(directory, "dynconfig.yaml")
        config = {
            "host": {"hostname": host.name, "ip": host.ip},
            "server": {
                "cacheDir": os.path.join(directory, "cache"),
                "pluginDir": os.path.join(directory, "plugins"),
            },
            "download": {"server": {"socketPath": self.socket}},
            "upload": {"server": {"ip": host.ip}},
            "scheduler": {"announceInterval": "10s"},
            "dynconfig": {"refreshInterval": "2s"},
            "storage": {"dir": self.storage, "keep": True, "server": {"ip": host.ip}},
            "proxy": {
                "server": {"ip": host.ip},
                "rules": [{"regex": "blobs/sha256.*"}],
            },
            "metrics": {"server": {"ip": host.ip}},
            "health": {"server": {"ip": host.ip}},
            "stats": {"server": {"ip": host.ip}},
        }
        if seed:
            config["seedPeer"] = {"enable": True, "type": "super"}
        if manager is not None:
            config["manager"] = {"addr": f"http://{manager.address}"}
            config["host"]["schedulerClusterID"] = 1
        for block, values in (extra or {}).items():
            config.setdefault(block, {}).update(values)
        _write_yaml(self.config, config)
        _write_yaml(self.dynconfig, {"scheduler": {"addrs": list(schedulers)}})

    def command(self):
        return [
            os.path.join(BIN, "dfdaemon"),
            *("--config", self.config, "--dynconfig", self.dynconfig, "--console"),
            *("--log-dir", os.path.join(self.directory, "log")),
            *("--log-level", os.environ.get("DF_E2E_LOG_LEVEL", "info")),
        ]

    def ready(self):
        return (
            os.path.exists(self.socket)
            and _http_get(f"http://{self.host.ip}:4003/healthy") is not None
            and _port_open(self.host.ip, 4000)
            and _port_open(self.host.ip, 4001)
        )

    def dfget_command(self, url, output, *arguments):
        return self.host.command(
            os.path.join(BIN, "dfget"),
            *("--endpoint", self.socket, url, "--output", output, *arguments),
        )

    def dfget(self, url, output, *arguments, timeout=300):
        """Runs dfget on this host to its end."""
        return subprocess.run(
            self.dfget_command(url, output, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )

    def traffic(self, kind):
        """Bytes downloaded so far: BACK_TO_SOURCE or REMOTE_PEER."""
        return self.metrics().sum("dragonfly_client_download_traffic", type=kind)

    def uploaded(self):
        return self.metrics().sum("dragonfly_client_upload_traffic")
