"""A file travels from its origin through a seed to peers, each on its own host."""

import os
import signal
import subprocess
import threading
import unittest

from kit.cluster import ClusterTest, sha256_of
from kit.process import wait_for

MIB = 1 << 20
GIB = 1 << 30


class DistributionTest(ClusterTest):
    options = {"peers": 3, "seeds": 1}

    def test_one_gibibyte_costs_the_origin_one_copy(self):
        url, digest = self.file_at_origin("model.bin", GIB)
        peers = self.cluster.peers
        results = {}

        def fetch(peer):
            output = self.cluster.path(f"out-{peer.host.name}")
            results[peer.name] = (peer.dfget(url, output), output)

        threads = [threading.Thread(target=fetch, args=(peer,)) for peer in peers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name, (result, output) in results.items():
            self.assertEqual(result.returncode, 0, f"{name}: {result.stdout}")
            self.assertEqual(sha256_of(output), digest, name)
        self.assertEqual(self.cluster.origin.body_bytes("model.bin"), GIB)
        for peer in peers:
            self.assertEqual(peer.traffic("BACK_TO_SOURCE"), 0, peer.name)
            self.assertEqual(peer.traffic("REMOTE_PEER"), GIB, peer.name)

    def test_content_of_every_size_travels_by_p2p(self):
        sizes = [0, 1, 4096, MIB, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 100 * MIB]
        for size in sizes:
            with self.subTest(size=size):
                name = f"size-{size}"
                url, digest = self.file_at_origin(name, size, seed=size + 1)
                before = [peer.traffic("REMOTE_PEER") for peer in self.cluster.peers]
                for peer in self.cluster.peers:
                    self.assert_downloaded(peer, url, digest)
                self.assertEqual(self.cluster.origin.body_bytes(name), size)
                for peer, had in zip(self.cluster.peers, before):
                    self.assertEqual(peer.traffic("REMOTE_PEER") - had, size, peer.name)

    @unittest.skipIf(os.environ.get("DF_E2E_SMALL"), "asked for small files only")
    def test_three_gibibytes_use_pieces_above_four_mebibytes(self):
        url, digest = self.file_at_origin("large.bin", 3 * GIB)
        for peer in self.cluster.peers:
            self.assert_downloaded(peer, url, digest)
            os.unlink(self.cluster.path(f"out-{peer.host.name}-large.bin"))
        self.assertEqual(self.cluster.origin.body_bytes("large.bin"), 3 * GIB)


class FailureTest(ClusterTest):
    options = {"peers": 3, "seeds": 1}

    def test_the_others_finish_when_a_peer_is_killed_and_it_serves_again_after_its_restart(self):
        url, digest = self.file_at_origin("model.bin", 256 * MIB)
        victim, *others = self.cluster.peers
        for daemon in self.cluster.daemons:
            daemon.host.shape(800)
        outputs = [self.cluster.path(f"out-{peer.host.name}") for peer in self.cluster.peers]
        running = [
            subprocess.Popen(
                peer.dfget_command(url, output),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for peer, output in zip(self.cluster.peers, outputs)
        ]
        wait_for("the victim to have some pieces", lambda: victim.traffic("REMOTE_PEER") > 16 * MIB)
        victim.kill()
        printed, _ = running[0].communicate(timeout=60)
        self.assertNotEqual(running[0].returncode, 0, "a dead daemon cannot have delivered")
        for process, output in zip(running[1:], outputs[1:]):
            printed, _ = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, printed)
            self.assertEqual(sha256_of(output), digest)
        self.assertEqual(self.cluster.origin.body_bytes("model.bin"), 256 * MIB)

        # What it had finished it still has; only the rest is fetched, and from peers.
        victim.start()
        before = victim.traffic("REMOTE_PEER")
        self.assert_downloaded(victim, url, digest)
        fetched = victim.traffic("REMOTE_PEER") - before
        self.assertLess(fetched, 256 * MIB - 12 * MIB)
        self.assertEqual(self.cluster.origin.body_bytes("model.bin"), 256 * MIB)

    def test_without_a_scheduler_dfget_reads_from_the_source_and_says_so(self):
        url, digest = self.file_at_origin("file.bin", 20 * MIB)
        self.cluster.scheduler.kill()
        peer = self.cluster.peers[0]
        refused = peer.dfget(url, self.cluster.path("refused"), "--disable-back-to-source")
        self.assertNotEqual(refused.returncode, 0)
        self.assertFalse(os.path.exists(self.cluster.path("refused")))
        result = self.assert_downloaded(peer, url, digest)
        self.assertIn("source", result.stdout)
        self.assertEqual(peer.traffic("BACK_TO_SOURCE"), 20 * MIB)

    def test_peers_keep_trading_when_the_scheduler_is_killed_half_way(self):
        url, digest = self.file_at_origin("model.bin", 128 * MIB)
        for daemon in self.cluster.daemons:
            daemon.host.shape(400)
        running = []
        for peer in self.cluster.peers:
            output = self.cluster.path(f"out-{peer.host.name}")
            running.append(
                (
                    subprocess.Popen(
                        peer.dfget_command(url, output),
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                    ),
                    output,
                )
            )
        for peer in self.cluster.peers:
            wait_for("pieces from a parent", lambda: peer.traffic("REMOTE_PEER") > 8 * MIB)
        self.cluster.scheduler.process.signal(signal.SIGKILL)
        for process, output in running:
            printed, _ = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, printed)
            self.assertEqual(sha256_of(output), digest)
        self.assertLessEqual(self.cluster.origin.body_bytes("model.bin"), 1.05 * 128 * MIB)


if __name__ == "__main__":
    unittest.main(verbosity=2)
