"""A whole cluster for one test: manager, scheduler, seed, peers, an nginx origin, each on its host."""

import hashlib
import os
import random
import shutil
import tempfile
import unittest

from .daemons import Dfdaemon, Manager, Redis, Scheduler
from .net import Network
from .origin import NginxOrigin
from .process import wait_for


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def make_file(path, size, seed=1):
    """`size` bytes that do not compress and differ everywhere; the same for the same seed."""
    block = random.Random(seed).randbytes(1 << 20)
    with open(path, "wb") as file:
        written = 0
        while written < size:
            # The block's position in it keeps two places of the file from being equal.
            head = written.to_bytes(8, "big")
            part = (head + block)[: min(len(block), size - written)]
            file.write(part)
            written += len(part)
    return path


class Cluster:
    """`peer_extra` goes into the configuration of every dfdaemon, `peer_options` into that of the one
    named. With `redis` the schedulers keep their state in one."""

    def __init__(
        self,
        peers=3,
        seeds=1,
        with_manager=True,
        scheduler_extra=None,
        peer_extra=None,
        peer_options=None,
        schedulers=1,
        redis=False,
    ):
        self.directory = tempfile.mkdtemp(prefix="dragonfly-e2e-", dir=os.environ.get("DF_E2E_DIR"))
        os.chmod(self.directory, 0o755)
        self.network = Network()
        self.origin = self.manager = self.redis = None
        self.schedulers = []
        self.seeds, self.peers = [], []
        self._peer_options = peer_options or {}
        try:
            if redis:
                self.redis = Redis(self.network.host("redis"), self.path("redis")).start()
                addresses = {"redis": {"addrs": [self.redis.address]}}
                scheduler_extra = {"database": addresses, **(scheduler_extra or {})}
            self._start(peers, seeds, with_manager, schedulers, scheduler_extra, peer_extra)
        except BaseException:
            self.close()
            raise

    def _start(self, peers, seeds, with_manager, schedulers, scheduler_extra, peer_extra):
        self.origin = NginxOrigin(self.network.host("origin"), self.path("origin"))
        if with_manager:
            self.manager = Manager(self.network.host("manager"), self.path("manager")).start()
        for i in range(schedulers):
            name = f"scheduler{i + 1}" if i else "scheduler"
            one = Scheduler(self.network.host(name), self.path(name), self.manager, scheduler_extra)
            self.schedulers.append(one.start())
        self.seeds = [self._daemon(f"seed{i + 1}", True, peer_extra) for i in range(seeds)]
        self.peers = [self._daemon(f"peer{i + 1}", False, peer_extra) for i in range(peers)]
        for daemon in self.daemons:
            daemon.start(wait=False)
        for daemon in self.daemons:
            daemon.wait_ready()
        for scheduler in self.schedulers:
            wait_for(
                "every host to be announced",
                lambda: scheduler.announced_hosts() >= len(self.daemons),
            )

    def _daemon(self, name, seed, extra):
        extra = {**(extra or {}), **self._peer_options.get(name, {})}
        return Dfdaemon(
            self.network.host(name),
            self.path(name),
            self.manager,
            [] if self.manager else [scheduler.address for scheduler in self.schedulers],
            seed,
            extra,
        )

    @property
    def scheduler(self):
        return self.schedulers[0]

    @property
    def daemons(self):
        return self.seeds + self.peers

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def close(self, keep=False):
        for daemon in [*self.daemons, *self.schedulers, self.manager, self.redis]:
            if daemon is not None:
                daemon.close()
        if self.origin is not None:
            self.origin.close()
        self.network.close()
        if keep:
            print(f"kept for inspection: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


class ClusterTest(unittest.TestCase):
    """One cluster for each test; its directory stays when the test fails and DF_E2E_KEEP is set."""

    options = {}

    def setUp(self):
        self.cluster = Cluster(**self.options)
        self.addCleanup(self._close)

    def _close(self):
        failed = any(error for _, error in getattr(self._outcome, "errors", []) if error)
        if failed or getattr(self._outcome, "success", True) is False:
            for daemon in [*self.cluster.daemons, *self.cluster.schedulers]:
                if daemon.process:
                    print(f"--- {daemon.name}\n{daemon.process.log_tail(25)}")
        self.cluster.close(keep=bool(os.environ.get("DF_E2E_KEEP")))

    def file_at_origin(self, name, size, seed=1):
        path = make_file(self.cluster.origin.path(name), size, seed)
        return self.cluster.origin.url(name), sha256_of(path)

    def assert_downloaded(self, daemon, url, digest, *arguments):
        output = self.cluster.path(f"out-{daemon.host.name}-{os.path.basename(url)}")
        result = daemon.dfget(url, output, "--overwrite", *arguments)
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertEqual(sha256_of(output), digest)
        return result
