"""The yardstick: sendfile to recv, CRC-32 and pwrite."""

import json
import os
import subprocess

from bench_kit.machine import settle
from kit import daemons


def pump(scratch, source, size, connections):
    """One run of `bench_pump` out of the file `source` into a new one; its figures."""
    settle(scratch.directory)
    command = [
        os.path.join(daemons.BIN, "bench_pump"),
        *("--size", str(size >> 20), "--connections", str(connections), "--rounds", "1"),
        *("--source", source, "--target-dir", scratch.directory),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    return json.loads(done.stdout.splitlines()[-1])
