"""More than one scheduler, schedulers that die, and what they know when they come back."""

import signal
import subprocess
import unittest

from kit.cluster import ClusterTest, sha256_of
from kit.process import wait_for

MIB = 1 << 20


class TwoSchedulersTest(ClusterTest):
    options = {"peers": 4, "seeds": 1, "schedulers": 2}

    def registrations(self):
        return [
            one.metrics().sum("dragonfly_scheduler_register_peer_total") if one.process.alive() else 0
            for one in self.cluster.schedulers
        ]

    def files_of_both(self, size, count=2):
        """Files with their digests, `count` of each scheduler; the first peer and the seed have them."""
        files = [[], []]
        for number in range(64):
            if min(map(len, files)) >= count:
                return [some[:count] for some in files]
            name = f"file-{number}"
            before = self.registrations()
            url, digest = self.file_at_origin(name, size, seed=number + 1)
            self.assert_downloaded(self.cluster.peers[0], url, digest)
            grown = [now > had for now, had in zip(self.registrations(), before)]
            self.assertEqual(sum(grown), 1, "a task is on one scheduler")
            files[grown.index(True)].append((name, url, digest))
        self.fail("64 tasks are all on one scheduler")

    def test_each_task_is_on_one_of_them(self):
        for owner, files in enumerate(self.files_of_both(5 * MIB)):
            for name, url, digest in files:
                for peer in self.cluster.peers[1:]:
                    before = self.registrations()
                    self.assert_downloaded(peer, url, digest)
                    other = 1 - owner
                    self.assertEqual(self.registrations()[other], before[other], name)
                self.assertEqual(self.cluster.origin.body_bytes(name), 5 * MIB, name)

    def test_the_tasks_of_one_that_dies_go_on(self):
        size = 48 * MIB
        files = self.files_of_both(size, count=1)
        mine = [some[0] for some in files]
        for daemon in self.cluster.daemons:
            daemon.host.shape(200)
        running = []
        for peer in self.cluster.peers[1:3]:
            for name, url, digest in mine:
                output = self.cluster.path(f"out-{peer.host.name}-{name}")
                command = peer.dfget_command(url, output)
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                running.append((process, output, digest))
        for peer in self.cluster.peers[1:3]:
            wait_for("some pieces", lambda: peer.traffic("REMOTE_PEER") > 8 * MIB)
        self.cluster.schedulers[0].process.signal(signal.SIGKILL)
        for process, output, digest in running:
            printed, _ = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, printed)
            self.assertEqual(sha256_of(output), digest)

        # Whoever comes now is told by the other one, which never heard of half of the tasks.
        for name, url, digest in mine:
            self.assert_downloaded(self.cluster.peers[3], url, digest)
            self.assertEqual(self.cluster.origin.body_bytes(name), size, name)
        self.assertEqual(self.cluster.peers[3].traffic("BACK_TO_SOURCE"), 0)


class RestartTest(ClusterTest):
    options = {"peers": 4, "seeds": 1, "with_manager": False, "redis": True}

    def test_a_restarted_scheduler_offers_what_peers_have(self):
        size = 20 * MIB
        url, digest = self.file_at_origin("model.bin", size)
        first, second, third, fourth = self.cluster.peers
        self.assert_downloaded(first, url, digest)
        scheduler = self.cluster.scheduler
        self.assert_downloaded(second, url, digest)
        wait_for("the state to be written", lambda: self.peers_in_redis() == 3)
        scheduler.kill()
        # Only peers have it now, and only the scheduler of before knew of them.
        self.cluster.seeds[0].kill()
        scheduler.start()
        self.assert_downloaded(third, url, digest)
        self.assertEqual(third.traffic("BACK_TO_SOURCE"), 0)
        self.assertEqual(self.cluster.origin.body_bytes("model.bin"), size)

        # Redis goes and comes back empty.
        self.cluster.redis.kill()
        self.assert_downloaded(fourth, url, digest)
        self.cluster.redis.start()
        wait_for("the state to be written again", lambda: self.peers_in_redis() >= 3)
        self.assertEqual(self.cluster.origin.body_bytes("model.bin"), size)

    def peers_in_redis(self):
        redis = self.cluster.redis
        key = f"scheduler:scheduler-clusters:1:standard-peers:{{{self.cluster.scheduler.host.name}:8002}}"
        done = subprocess.run(
            ["redis-cli", "-h", redis.host.ip, "HLEN", key],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=10,
        )
        return int(done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
