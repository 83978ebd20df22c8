"""Scheduler, origin and daemons on loopback: no virtual cables, so that only the programs are measured."""

import os
import shutil

from kit import daemons
from kit.net import LoopbackHost
from kit.origin import NginxOrigin
from kit.process import wait_for


def loopback(number):
    """Address `number` of this run. Others on the machine may be measuring or testing too."""
    return f"127.{80 + os.getpid() // 250 % 100}.{os.getpid() % 250}.{number}"


class Swarm:
    """Each program has a loopback address of its own. close() ends all of them."""

    def __init__(self, directory, scheduler_extra=None, origin=True):
        self.directory = directory
        self.daemons = []
        self.origin = self.scheduler = None
        try:
            if origin:
                self.origin = NginxOrigin(LoopbackHost("origin", loopback(1)), self.path("origin"))
            self.scheduler = daemons.Scheduler(
                LoopbackHost("scheduler", loopback(2)), self.path("scheduler"), extra=scheduler_extra
            )
            self.scheduler.start()
        except BaseException:
            self.close()
            raise

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def daemon(self, name, number, seed=False, extra=None, host=None):
        """A daemon on loopback(`number`), at least 3, or on `host`; known to the scheduler when this
        returns."""
        daemon = daemons.Dfdaemon(
            host or LoopbackHost(name, loopback(number)),
            self.path(name),
            None,
            [self.scheduler.address],
            seed,
            extra,
        )
        self.daemons.append(daemon)
        before = self.scheduler.announced_hosts()
        daemon.start()
        wait_for(f"{daemon.name} to be announced", lambda: self.scheduler.announced_hosts() > before)
        return daemon

    def remove(self, daemon):
        """Ends it and deletes what it has."""
        daemon.stop()
        self.daemons.remove(daemon)
        shutil.rmtree(daemon.directory)

    def close(self):
        for daemon in [*self.daemons, self.scheduler]:
            if daemon is not None:
                daemon.close()
        self.daemons = []
        if self.origin is not None:
            self.origin.close()
            self.origin = None
