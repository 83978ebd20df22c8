"""Where the files of a run live, and that nothing of it stays, however the run ends."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile

_CLONE_NEWNS = 0x20000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000

# Reads until its standard input ends, which the kernel sees to when the benchmark dies. Then ends what
# names the directory in its command line, and removes the directory.
_GUARD = r"""
import os, shutil, signal, sys, time
directory = sys.argv[1]
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def users():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if directory.encode() in file.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            pass
    return found
def tell(number):
    for pid in users():
        try:
            os.kill(pid, number)
        except OSError:
            pass
if sys.stdin.read() != "done":
    tell(signal.SIGTERM)  # nginx ends its workers then.
    deadline = time.monotonic() + 3
    while users() and time.monotonic() < deadline:
        time.sleep(0.05)
    tell(signal.SIGKILL)
shutil.rmtree(directory, ignore_errors=True)
"""


def _libc():
    return ctypes.CDLL(None, use_errno=True)


def _call(what, result):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: benchmarks run as root")


def _mount_tmpfs(directory, size):
    """In a mount namespace of our own: it ends with the last process of the run."""
    libc = _libc()
    _call("unshare(CLONE_NEWNS)", libc.unshare(_CLONE_NEWNS))
    _call("mount", libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
    options = f"size={size},mode=0755,huge=never".encode()
    _call("mount tmpfs", libc.mount(b"tmpfs", directory.encode(), b"tmpfs", 0, options))


def _end(number, _frame):
    sys.exit(128 + number)


class Scratch:
    """A directory for the time of a `with`. SIGTERM ends the benchmark as an exception would; of what is
    killed, a guard of its own removes what it left.

    store: "tmpfs" (its own one, at most `size` bytes) or "disk", the file system of /tmp or of
    `directory`, where `size` bytes have to be free."""

    def __init__(self, name, size, store="disk", directory=None):
        signal.signal(signal.SIGTERM, _end)
        signal.signal(signal.SIGHUP, _end)
        self.directory = tempfile.mkdtemp(prefix=f"dragonfly-{name}-", dir=directory)
        os.chmod(self.directory, 0o755)
        self._guard = subprocess.Popen(
            [sys.executable, "-c", _GUARD, self.directory],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self.mounted = store == "tmpfs"
        try:
            if self.mounted:
                _mount_tmpfs(self.directory, size)
            elif shutil.disk_usage(self.directory).free < size:
                sys.exit(f"{self.directory}: {size >> 30} GiB have to be free")
        except BaseException:
            self.close()
            raise

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def file_system(self):
        """Its type, as the kernel calls it."""
        best = ("", "?")
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            for line in mounts:
                _, where, kind, *_ = line.split(" ")
                if (self.directory + "/").startswith(where.rstrip("/") + "/") and len(where) >= len(best[0]):
                    best = (where, kind)
        return best[1]

    def close(self):
        if self.mounted:
            # Lazily: a daemon that is just being killed may still have files open.
            _libc().umount2(self.directory.encode(), 2)
            self.mounted = False
        self._guard.communicate(b"done", timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
