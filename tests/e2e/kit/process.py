"""Processes that a test starts and ends by their id."""

import os
import signal
import subprocess
import time


class Process:
    def __init__(self, name, command, log_path, environment=None, cwd=None):
        self.name = name
        self.command = command
        self.log_path = log_path
        self._log = open(log_path, "ab")
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=cwd,
        )

    @property
    def pid(self):
        return self._popen.pid

    def alive(self):
        return self._popen.poll() is None

    def signal(self, number):
        self._popen.send_signal(number)

    def kill(self):
        """kill -9, and waits for the end."""
        if self.alive():
            self._popen.kill()
        self._popen.wait(timeout=20)
        self._log.close()

    def stop(self, timeout=20):
        """Asks to end; after `timeout` seconds kills. Returns the exit code."""
        if self.alive():
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(timeout=timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.name} did not end within {timeout} s of SIGTERM")
        self._log.close()
        return self._popen.returncode

    def cpu_seconds(self):
        """User and system time of the process so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_memory_bytes(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.name}: no VmHWM")

    def log_tail(self, lines=40):
        with open(self.log_path, "rb") as log:
            return b"\n".join(log.read().splitlines()[-lines:]).decode(errors="replace")


def wait_for(what, condition, timeout=30):
    """Waits until `condition()` is true. An exception of it counts as "not yet" and is told at the
    end."""
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            result = condition()
            if result:
                return result
        except (OSError, RuntimeError, subprocess.CalledProcessError, ValueError) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s for {what}" + (f": {last}" if last else ""))
        time.sleep(0.02)
