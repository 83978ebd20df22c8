"""Callers of a daemon: `bench_client` for its proxy, dfget."""

import json
import os
import subprocess
import time

from kit import daemons


def ask(to, url, count=1, first=0, connections=1, *more, timeout=300):
    """`bench_client`'s figures, and the seconds of every answer as "times"."""
    command = [
        os.path.join(daemons.BIN, "bench_client"),
        *("--to", to, "--url", url, "--first", str(first), "--count", str(count)),
        *("--connections", str(connections), "--print-times", *more),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=timeout)
    times, figures = done.stdout.splitlines()[-2:]
    return {**json.loads(figures), "times": json.loads(times)}


def run_program(command, output):
    """(exit code, seconds from before its start to after its end); `output` gets what it prints."""
    with open(output, "wb") as log, open(os.devnull, "rb") as nothing:
        actions = [
            (os.POSIX_SPAWN_DUP2, nothing.fileno(), 0),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
        ]
        started = time.perf_counter()
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), time.perf_counter() - started
