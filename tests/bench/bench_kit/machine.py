"""What makes two runs on one machine comparable."""

import mmap
import subprocess

_BLOCK = 512 * 1024
_PAGE = mmap.PAGESIZE


class WarmMemory:
    """Touches `size` bytes of memory and gives nearly all of them back.

    A virtual machine returns free memory to its host in blocks of 2 MiB, a few seconds after it became
    free, and what is touched first after that costs several times as much: whoever happens to be
    measured next pays for it. So one page of each half MiB is kept, and no block is free as a whole."""

    def __init__(self, size):
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
        size = (size + _BLOCK - 1) // _BLOCK * _BLOCK
        self._memory = mmap.mmap(-1, size, flags=flags)
        for at in range(0, size, _BLOCK):
            self._memory.madvise(mmap.MADV_DONTNEED, at + _PAGE, _BLOCK - _PAGE)

    def close(self):
        self._memory.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def settle(directory):
    """Writes back what is dirty, so that nobody is slowed down for what another one has written."""
    subprocess.run(["sync", "-f", directory], check=True)
