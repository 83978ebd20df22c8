"""Memory limits for single processes: cgroups of version 2, or of version 1 where that is mounted."""

import os

from kit.net import LoopbackHost

_ROOTS = (  # What the limit, the peak and the failures are called there.
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
    ("/sys/fs/cgroup", "memory.max", "memory.peak"),
)


class MemoryLimit:
    """A cgroup of its own; close() after its processes have ended."""

    def __init__(self, name, size):
        for root, limit, peak in _ROOTS:
            path = os.path.join(root, f"dragonfly-bench-{os.getpid()}-{name}")
            if not os.path.exists(os.path.join(root, "cgroup.procs")):
                continue
            os.mkdir(path)
            self._path, self._peak = path, os.path.join(path, peak)
            with open(os.path.join(path, limit), "w", encoding="ascii") as file:
                file.write(str(size))
            return
        raise OSError("no cgroups with a memory controller are mounted")

    @property
    def procs(self):
        return os.path.join(self._path, "cgroup.procs")

    def peak_bytes(self):
        """With its share of the page cache, which the kernel takes back when the limit is near."""
        with open(self._peak, encoding="ascii") as file:
            return int(file.read())

    def close(self):
        os.rmdir(self._path)


class ConfinedHost(LoopbackHost):
    """The daemon on it has a memory limit, its callers do not."""

    def __init__(self, name, ip, limit):
        super().__init__(name, ip)
        self._limit = limit

    def command(self, program, *arguments):
        if os.path.basename(program) != "dfdaemon":
            return [program, *arguments]
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', self._limit.procs, program, *arguments]
