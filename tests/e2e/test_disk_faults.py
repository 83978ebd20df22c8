"""Disks that are full, broken, read-only or changed behind the daemon's back, and output paths that
cannot be had: a clear error, never a wrong file, and everything works again afterwards."""

import contextlib
import os
import shutil
import signal
import subprocess
import unittest

from kit.cluster import Cluster, make_file, sha256_of
from kit.disk import Disk, make_immutable, share_mounts, stop_sharing_mounts
from kit.process import wait_for

MIB = 1 << 20
SIZE = 40 * MIB - 4321  # 10 pieces


class DiskFaultTest(unittest.TestCase):
    """The patient is the only daemon on a disk of its own, which is new in every test."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(peers=2, seeds=1, with_manager=False)
        cls.addClassCleanup(cls._close)
        share_mounts(cls.cluster.directory)
        cls.patient, cls.other = cls.cluster.peers
        cls.seed = cls.cluster.seeds[0]
        cls.small = make_file(cls.cluster.origin.path("small.bin"), MIB, seed=99)
        cls.count = 0

    @classmethod
    def _close(cls):
        for daemon in cls.cluster.daemons:
            daemon.close()
        stop_sharing_mounts(cls.cluster.directory)
        cls.cluster.close(keep=bool(os.environ.get("DF_E2E_KEEP")))

    def setUp(self):
        cls = type(self)
        cls.count += 1
        name = f"file{cls.count}.bin"
        self.origin_file = make_file(self.cluster.origin.path(name), SIZE, seed=cls.count)
        self.digest = sha256_of(self.origin_file)
        self.url = self.cluster.origin.url(name)
        self.out = self.cluster.path(f"out{cls.count}")
        os.mkdir(self.out)
        self.log_start = os.path.getsize(self.patient.process.log_path)

    def new_disk(self, mebibytes):
        """Gives the patient a new disk."""
        if self.patient.process.alive():
            self.patient.stop()
        shutil.rmtree(self.patient.storage, ignore_errors=True)
        try:
            disk = Disk(self.out + ".img", self.patient.storage, mebibytes)
        except (OSError, RuntimeError) as error:
            self.skipTest(f"no file system of its own can be mounted here: {error}")
        self.addCleanup(self._remove, disk)
        self.patient.start()
        return disk

    def _remove(self, disk):
        self.patient.close()
        disk.unmount()
        os.unlink(disk.image)
        shutil.rmtree(self.patient.storage)
        self.patient.start()

    def logged(self):
        with open(self.patient.process.log_path, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def path(self, name):
        return os.path.join(self.out, name)

    def fetch(self, daemon=None, output=None, *arguments, url=None):
        output = output or self.path("right")
        result = (daemon or self.patient).dfget(url or self.url, output, *arguments, timeout=60)
        self.assertEqual(result.returncode, 0, result.stdout + self.logged())
        self.assertEqual(sha256_of(output), self.digest)
        return result.stdout

    def fetch_by_other(self):
        """The other daemon fetches it; the patient is the first that it asks."""
        output = self.path("other")
        # It may have lost its trust in the patient before.
        self.other.stop()
        self.other.start()
        self.seed.process.signal(signal.SIGSTOP)
        try:
            running = subprocess.Popen(
                self.other.dfget_command(self.url, output),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            # It may hear of the seed only when that is awake, and need it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(timeout=1)
        finally:
            self.seed.process.signal(signal.SIGCONT)
        printed, _ = running.communicate(timeout=60)
        self.assertEqual(running.returncode, 0, printed)
        self.assertEqual(sha256_of(output), self.digest)

    def refused(self, output=None, *arguments, url=None):
        """The error must be told and no file be left; returns what dfget printed."""
        output = output or self.path("wrong")
        had = os.path.exists(output) and sha256_of(output)
        result = self.patient.dfget(url or self.url, output, *arguments, timeout=60)
        self.assertNotEqual(result.returncode, 0, "it was delivered all the same")
        self.assertTrue(self.patient.process.alive(), self.patient.process.log_tail())
        self.assertEqual(os.path.exists(output) and sha256_of(output), had, result.stdout)
        self.assertEqual([name for name in os.listdir(self.out) if "dragonfly" in name], [])
        return result.stdout

    def content_file(self, daemon):
        """Of the only task that there is."""
        found = []
        for folder, _, names in os.walk(os.path.join(daemon.storage, "content")):
            found += [os.path.join(folder, name) for name in names]
        found = [path for path in found if os.path.getsize(path) == SIZE]
        with_this = [path for path in found if sha256_of(path) == self.digest]
        self.assertEqual(len(with_this), 1, found)
        return with_this[0]

    # -- full

    def test_a_disk_without_room_for_the_content(self):
        disk = self.new_disk(24)
        printed = self.refused()
        self.assertIn("no space left", printed)
        self.assertIn(self.patient.storage, printed)
        self.assertIn(str(SIZE), printed)
        # What fits is delivered.
        result = self.patient.dfget(self.cluster.origin.url("small.bin"), self.path("small"))
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertEqual(sha256_of(self.path("small")), sha256_of(self.small))
        self.assertGreater(os.statvfs(disk.mount_point).f_bavail * 4096, 10 * MIB)

    def test_a_disk_that_fills_up_meanwhile(self):
        disk = self.new_disk(80)
        self.patient.host.shape(200)
        self.addCleanup(self.patient.host.pass_on)
        running = self.start_and_get_a_piece(self.url, self.path("right"))
        ballast = disk.fill()
        printed, _ = running.communicate(timeout=60)
        # Its room was reserved before.
        self.assertEqual(running.returncode, 0, printed + self.logged())
        self.assertEqual(sha256_of(self.path("right")), self.digest)
        printed = self.refused(url=self.cluster.origin.url("small.bin?other"))
        self.assertIn("no space left", printed)
        os.unlink(ballast)
        # Also the records find their way to the disk in the end.
        self.restart()
        before = self.patient.traffic("REMOTE_PEER")
        self.fetch(output=self.path("again"))
        self.assertEqual(self.patient.traffic("REMOTE_PEER"), before)

    def start_and_get_a_piece(self, url, output):
        """A dfget that is under way."""
        running = subprocess.Popen(
            self.patient.dfget_command(url, output),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        before = self.patient.traffic("REMOTE_PEER")
        wait_for("a piece", lambda: self.patient.traffic("REMOTE_PEER") > before)
        return running

    def restart(self):
        self.patient.stop()
        self.patient.start()

    def test_an_output_on_a_full_disk(self):
        self.fetch()
        disk = Disk(self.path("out.img"), self.path("small"), 24)
        self.addCleanup(disk.unmount)
        self.restart()
        target = self.path("small/file")
        printed = self.refused(target)
        self.assertIn("No space left on device", printed)
        self.assertIn(target, printed)
        self.assertEqual(os.listdir(disk.mount_point), ["lost+found"])
        self.fetch(output=self.path("elsewhere"))

    # -- broken

    def test_a_disk_that_breaks_down(self):
        disk = self.new_disk(120)
        self.fetch()
        content = self.content_file(self.patient)
        self.patient.host.shape(200)
        self.addCleanup(self.patient.host.pass_on)
        second = make_file(self.cluster.origin.path("second.bin"), SIZE, seed=77)
        second_url = self.cluster.origin.url("second.bin")
        running = self.start_and_get_a_piece(second_url, self.path("second"))
        disk.break_down()
        printed, _ = running.communicate(timeout=60)
        self.assertNotEqual(running.returncode, 0)
        self.assertIn("Input/output error", printed)
        self.assertIn(self.patient.storage, printed)
        self.assertFalse(os.path.exists(self.path("second")))
        self.assertTrue(self.patient.process.alive(), self.patient.process.log_tail())
        # It may be named as a parent still. Others must not suffer.
        self.fetch_by_other()
        printed = self.refused(self.path("copy"))
        self.assertIn("Input/output error", printed)
        self.assertIn(content, printed)
        # A new one in its place, with what the journal kept.
        self.patient.kill()
        disk.unmount()
        disk.repair()
        disk.mount()
        self.patient.start()
        self.fetch(output=self.path("after"))
        self.assertTrue(os.path.exists(content))
        result = self.patient.dfget(second_url, self.path("second"), timeout=60)
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertEqual(sha256_of(self.path("second")), sha256_of(second))

    def test_a_disk_that_turns_read_only(self):
        disk = self.new_disk(120)
        self.fetch()
        disk.turn_read_only()
        printed = self.refused(url=self.cluster.origin.url("small.bin?read-only"))
        self.assertIn("Read-only file system", printed)
        self.assertIn(self.patient.storage, printed)
        # What is there still is: for this node and for others.
        self.fetch(output=self.path("copy"))
        before = self.patient.uploaded()
        self.fetch_by_other()
        self.assertGreater(self.patient.uploaded(), before)
        self.patient.stop()
        disk.unmount()
        disk.repair()
        disk.mount()
        self.patient.start()
        self.fetch(output=self.path("after"))
        self.fetch(output=self.path("new"), url=self.url + "?new")

    def test_a_content_that_cannot_be_read_any_more(self):
        disk = self.new_disk(120)
        self.fetch()
        disk.lose_rest_of(self.content_file(self.patient), 18 * MIB)
        self.fetch_by_other()
        self.fetch_or_heal(self.path("copy"))

    def fetch_or_heal(self, output):
        """One error is allowed, naming path and reason; the next try must succeed."""
        result = self.patient.dfget(self.url, output, timeout=60)
        if result.returncode != 0:
            self.assertRegex(result.stdout, f"({output}|{self.patient.storage}).*: Input/output error")
            self.assertFalse(os.path.exists(output))
        self.fetch(None, output, "--overwrite")

    # -- changed

    def change(self, path, offset):
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1]))

    def test_a_content_that_was_changed_is_not_handed_out(self):
        self.fetch()
        content = self.content_file(self.patient)
        self.assertTrue(os.path.samefile(content, self.path("right")), "a hard link is what this is about")
        # What users do to their files.
        self.change(self.path("right"), 21 * MIB)
        with open(self.path("right"), "rb") as file:
            theirs = file.read()
        self.fetch_by_other()
        self.fetch(output=self.path("again"))
        self.assertIn(content, self.logged())
        with open(self.path("right"), "rb") as file:
            self.assertTrue(file.read() == theirs, "the user's own changes are the user's")

    def test_a_content_that_was_changed_while_the_daemon_was_away(self):
        self.fetch()
        content = self.content_file(self.patient)
        self.patient.stop()
        os.unlink(self.path("right"))
        self.change(content, 21 * MIB)
        # As if it had been done an hour later.
        os.utime(content, (os.stat(content).st_atime, os.stat(content).st_mtime + 3600))
        self.patient.start()
        self.fetch_by_other()
        self.fetch(output=self.path("again"))

    def test_a_content_that_was_truncated(self):
        self.fetch()
        os.truncate(self.path("right"), 21 * MIB)
        self.fetch_by_other()
        self.fetch(output=self.path("again"))

    def test_a_content_that_was_removed(self):
        self.fetch()
        os.unlink(self.content_file(self.patient))
        self.fetch_by_other()
        self.fetch(output=self.path("again"))

    def test_a_damage_that_only_the_digest_tells(self):
        """Bytes that rot leave no trace but their checksum."""
        self.fetch()
        os.unlink(self.path("right"))
        content = self.content_file(self.patient)
        times = os.stat(content)
        self.change(content, 21 * MIB)
        os.utime(content, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.fetch_by_other()
        self.fetch(None, self.path("again"), "--digest", f"sha256:{self.digest}")

    # -- outputs that cannot be had

    def test_an_output_in_a_folder_that_does_not_exist(self):
        target = self.path("no/such/file")
        printed = self.refused(target)
        self.assertIn(self.path("no/such"), printed)
        self.assertIn("is not a directory", printed)
        self.assertEqual(self.cluster.origin.body_bytes(os.path.basename(self.url)), 0)

    def test_an_output_below_a_file(self):
        with open(self.path("plain"), "wb"):
            pass
        printed = self.refused(self.path("plain/file"))
        self.assertIn(self.path("plain"), printed)
        self.assertIn("is not a directory", printed)

    def test_an_output_that_is_a_folder(self):
        os.mkdir(self.path("folder"))
        result = self.patient.dfget(self.url, self.path("folder"), "--overwrite", timeout=60)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(self.path("folder"), result.stdout)
        self.assertEqual(os.listdir(self.path("folder")), [])

    def test_an_output_in_a_folder_that_may_not_be_written(self):
        """Also root may not: it is immutable."""
        folder = self.path("locked")
        os.mkdir(folder)
        try:
            make_immutable(folder)
        except (OSError, RuntimeError) as error:
            self.skipTest(f"no folder can be made immutable here: {error}")
        self.addCleanup(make_immutable, folder, False)
        printed = self.refused(os.path.join(folder, "file"))
        self.assertIn(folder, printed)
        self.assertIn("Operation not permitted", printed)

    def test_an_output_on_a_read_only_disk(self):
        disk = Disk(self.path("out.img"), self.path("small"), 64)
        self.addCleanup(disk.unmount)
        self.restart()
        disk.turn_read_only()
        printed = self.refused(self.path("small/file"))
        self.assertIn(self.path("small"), printed)
        self.assertIn("Read-only file system", printed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
