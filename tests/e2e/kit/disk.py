"""Small ext4 file systems in files, and what can go wrong with them."""

import ctypes
import fcntl
import os
import struct
import subprocess

from .net import run

_EXT4_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
_SHUTDOWN_WITHOUT_FLUSH = 2
_FIBMAP = 1
_BLOCK = 4096


def share_mounts(directory):
    """`ip netns exec` gives every process its own copy of the mounts. Of those below `directory`,
    processes that start from now on see what comes and goes; otherwise none would let go of a file
    system that was unmounted here."""
    run("mount", "--bind", directory, directory)
    run("mount", "--make-shared", directory)


def stop_sharing_mounts(directory):
    run("umount", "--lazy", directory)


def make_immutable(path, value=True):
    """Nobody, not even root, can make a file in an immutable folder."""
    run("chattr", "+i" if value else "-i", path)


class Disk:
    """Made by the constructor, which raises RuntimeError where loop devices are not to be had."""

    def __init__(self, image, mount_point, mebibytes):
        self.image = image
        self.mount_point = mount_point
        os.makedirs(mount_point, exist_ok=True)
        with open(image, "wb") as file:
            file.truncate(mebibytes << 20)
        run("mkfs.ext4", "-q", "-b", str(_BLOCK), "-m", "0", image)
        self.mount()

    def mount(self):
        # errors=remount-ro is what distributions use for their root.
        run("mount", "-o", "loop,errors=remount-ro", self.image, self.mount_point)

    def unmount(self):
        run("umount", self.mount_point)

    def fill(self):
        """Takes all room that is left; returns the file that has it."""
        ballast = os.path.join(self.mount_point, "ballast")
        with open(ballast, "wb") as file:
            try:
                # By ever smaller parts, to the last block.
                size = 1 << 24
                while size >= _BLOCK:
                    try:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
                    except OSError:
                        size //= 2
            finally:
                os.fsync(file.fileno())
        return ballast

    def break_down(self):
        """From now on every read and write of the file system fails with EIO."""
        fd = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _EXT4_SHUTDOWN, struct.pack("I", _SHUTDOWN_WITHOUT_FLUSH))
        finally:
            os.close(fd)

    def turn_read_only(self):
        """As the kernel does when it finds the file system inconsistent."""
        device = run("findmnt", "-n", "-o", "SOURCE", self.mount_point).strip()
        path = f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error"
        with open(path, "w", encoding="ascii") as file:
            file.write("end-to-end test")

    def repair(self):
        """Checks the file system, which must not be mounted."""
        subprocess.run(
            ["fsck.ext4", "-y", self.image],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,  # 1: it found something, and repaired it.
        )

    def lose_rest_of(self, path, offset):
        """Makes the bytes of a file from `offset` on unreadable: reading them fails with EIO."""
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            block = ctypes.c_int(offset // _BLOCK)
            fcntl.ioctl(file.fileno(), _FIBMAP, block)
            os.truncate(self.image, block.value * _BLOCK)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
