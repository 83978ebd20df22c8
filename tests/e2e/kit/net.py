"""Hosts as network namespaces on one bridge, made by the test and removed by it."""

import ctypes
import ctypes.util
import os
import subprocess

CLONE_NEWNET = 0x40000000


def run(*command, check=True):
    """Runs a command, returns its output; the error names the command and what it printed."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {result.returncode}: {result.stdout}")
    return result.stdout


def allow_many_neighbours():
    """The kernel keeps one table of neighbours for all namespaces, by default of 1024: too few where each
    of 64 hosts talks to 20 others. Raised for the whole machine, never lowered; left as it is where that
    is not allowed."""
    for name, value in (("gc_thresh3", 65536), ("gc_thresh2", 32768), ("gc_thresh1", 16384)):
        path = f"/proc/sys/net/ipv4/neigh/default/{name}"
        try:
            with open(path) as now:
                if int(now.read()) >= value:
                    continue
            with open(path, "w") as file:
                file.write(str(value))
        except OSError:
            return


class Network:
    """One bridge, 10.99.0.0/16. The test process itself moves into a namespace of its own that is
    attached to the bridge as 10.99.255.254, so it reaches every host without touching the machine's
    network."""

    def __init__(self):
        allow_many_neighbours()
        libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET): end-to-end tests run as root")
        self._prefix = f"df{os.getpid()}"
        self._hosts = []
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "br0", "type", "bridge")
        run("ip", "addr", "add", "10.99.255.254/16", "dev", "br0")
        run("ip", "link", "set", "br0", "up")

    def host(self, name):
        """A new host with the next address."""
        number = len(self._hosts) + 1
        host = Host(f"{self._prefix}-{name}", name, f"10.99.{number // 250}.{number % 250 + 1}", number)
        self._hosts.append(host)
        return host

    def close(self):
        for host in self._hosts:
            run("ip", "netns", "del", host.namespace, check=False)
        self._hosts = []


class LoopbackHost:
    """A host of its own by its address in 127.0.0.0/8 only: for measuring without virtual cables."""

    def __init__(self, name, ip):
        self.name = name
        self.ip = ip

    def command(self, *command):
        return list(command)


class Host:
    def __init__(self, namespace, name, ip, number):
        self.namespace = namespace
        self.name = name
        self.ip = ip
        self._outer = f"h{number}"
        self._rate = None
        run("ip", "netns", "add", namespace)
        run("ip", "link", "add", self._outer, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        run("ip", "link", "set", self._outer, "master", "br0", "up")
        for command in (
            ("link", "set", "lo", "up"),
            ("addr", "add", f"{ip}/16", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
        ):
            run("ip", "-n", namespace, *command)

    def command(self, *command):
        """The command line that runs `command` on this host."""
        return ["ip", "netns", "exec", self.namespace, *command]

    def shape(self, megabits_per_second):
        """Limits both directions with token buckets."""
        self._rate = megabits_per_second
        bucket = ("tbf", "rate", f"{self._rate}mbit", "burst", "256kb", "latency", "200ms")
        self._queue("replace", *bucket)

    def _queue(self, action, *what):
        run("tc", "-n", self.namespace, "qdisc", action, "dev", "eth0", "root", *what)
        run("tc", "qdisc", action, "dev", self._outer, "root", *what)

    def cut(self):
        """Takes the cable out: the host knows at once."""
        run("ip", "link", "set", self._outer, "down")

    def mend(self):
        run("ip", "link", "set", self._outer, "up")

    def swallow(self):
        """Every packet is lost, and nobody is told."""
        self._queue("replace", "blackhole")

    def pass_on(self):
        """Ends swallow(); the host is shaped as before."""
        if self._rate is None:
            self._queue("del")
        else:
            self.shape(self._rate)
