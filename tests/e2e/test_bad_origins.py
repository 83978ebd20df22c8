"""What dfget and a registry client see when the origin refuses, lies or breaks."""

import os
import unittest
import urllib.error
import urllib.request

from kit.cluster import ClusterTest
from kit.origin import BadOrigin

MIB = 1 << 20
CONTENT = bytes(range(256)) * (10 * MIB // 256)


class BadOriginTest(ClusterTest):
    options = {"peers": 1, "seeds": 1, "with_manager": False}

    def setUp(self):
        super().setUp()
        self.origin = BadOrigin("10.99.255.254", CONTENT)
        self.addCleanup(self.origin.close)
        self.peer = self.cluster.peers[0]

    def failed_dfget(self, path):
        output = self.cluster.path("out")
        result = self.peer.dfget(self.origin.url(path), output, timeout=120)
        self.assertNotEqual(result.returncode, 0, result.stdout)
        self.assertFalse(os.path.exists(output), "no partial file may stay behind")
        return result.stdout

    def test_dfget_names_the_status_and_leaves_no_file(self):
        for status in (404, 403, 500):
            with self.subTest(status=status):
                self.assertIn(str(status), self.failed_dfget(f"status-{status}/file"))

    def test_dfget_reports_an_origin_that_closes_half_way(self):
        self.assertRegex(self.failed_dfget("close-half/file"), r"(?i)clos|short|incomplete|end of")

    def test_dfget_reports_an_origin_that_lies_about_the_length(self):
        self.assertRegex(self.failed_dfget("lie-length/file"), r"(?i)length|clos|short|range|changed")

    def test_an_origin_without_ranges_is_read_once_as_a_whole(self):
        output = self.cluster.path("whole")
        result = self.peer.dfget(self.origin.url("no-range/file"), output)
        self.assertEqual(result.returncode, 0, result.stdout)
        with open(output, "rb") as file:
            self.assertTrue(file.read() == CONTENT)

    def test_a_registry_client_gets_the_status_of_the_registry(self):
        digest = "0" * 64
        for status in (404, 403, 500):
            with self.subTest(status=status):
                request = urllib.request.Request(
                    f"http://{self.peer.host.ip}:4001/v2/library/x/blobs/sha256:{digest}",
                    headers={"X-Dragonfly-Registry": self.origin.url(f"status-{status}")},
                )
                with self.assertRaises(urllib.error.HTTPError) as caught:
                    urllib.request.urlopen(request, timeout=60)
                self.assertEqual(caught.exception.code, status)
                self.assertEqual(caught.exception.headers["X-Dragonfly-Error-Type"], "backend")


if __name__ == "__main__":
    unittest.main(verbosity=2)
