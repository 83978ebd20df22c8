"""A parent that sends wrong bytes, wrong numbers, too little, too much, too slowly: the download ends
right all the same, with pieces of others, and the node does not trust that parent any more."""

import os
import re
import shutil
import signal
import struct
import threading
import time
import unittest

from kit.cluster import Cluster, make_file, sha256_of
from kit.vortex import Relay

MIB = 1 << 20
PIECES = 8
SIZE = PIECES * 4 * MIB - 12345

QUARANTINED = re.compile(r'quarantined.*remote_host_id="?([^ "]+)')


def send(change):
    """A behaviour that sends the changed answer."""

    def behave(connection, answer):
        changed = change(answer)
        connection.sendall(changed if isinstance(changed, bytes) else changed.bytes())
        return True

    return behave


def endless(first):
    """A behaviour that never comes to an end of what it begins."""

    def behave(connection, _):
        connection.sendall(first)
        while True:
            connection.sendall(b"\0" * 65536)

    return behave


def block_length(answer, length):
    """The answer with another length of its metadata block."""
    head = answer.head()
    return head[:6] + struct.pack(">I", length) + head[10:] + answer.body


def digest_length(answer, length):
    head = answer.head()
    return head[:34] + struct.pack(">I", length) + head[38:] + answer.body


LIES = {
    "other bytes than the crc": send(lambda a: a.damaged()),
    "another crc than the bytes": send(lambda a: a.but(digest=b"crc32:1")),
    "a crc that is no number": send(lambda a: a.but(digest=b"crc32:one")),
    "a crc too large": send(lambda a: a.but(digest=b"crc32:4294967296")),
    "a digest of another kind": send(lambda a: a.but(digest=b"md5:" + b"0" * 32)),
    "a shorter piece": send(lambda a: a.but(length=a.length - 1, body=a.body[:-1]).with_right_crc()),
    "a longer piece": send(lambda a: a.but(length=a.length + 1, body=a.body + b"x").with_right_crc()),
    "an empty piece": send(lambda a: a.but(length=0, body=b"").with_right_crc()),
    "an enormous piece": send(lambda a: a.but(length=(1 << 64) - 1)),
    "a length that is negative": send(lambda a: a.but(length=1 << 63)),
    "another offset": send(lambda a: a.but(offset=a.offset + 4 * MIB)),
    "an offset beyond everything": send(lambda a: a.but(offset=(1 << 64) - 1)),
    "another number": send(lambda a: a.but(number=a.number + 1)),
    "a tag of another kind": send(lambda a: a.but(tag=3)),
    "a tag of nothing": send(lambda a: a.but(tag=99)),
    "a request as answer": send(lambda a: a.but(tag=0)),
    "metadata without end": endless(struct.pack(">BBII", 1, 1, 0xFFFFFFFF, 0xFFFFFFFB)),
    "metadata of 65537 bytes": endless(struct.pack(">BBII", 1, 1, 65541, 65537)),
    "metadata that is too short": send(lambda a: block_length(a, 44)),
    "a digest longer than its block": send(lambda a: digest_length(a, 0xFFFFFFFF)),
    "a parent id that is no text": send(lambda a: a.but(parent_id=b"\xff\xfe" * 8)),
    "a time that does not exist": send(lambda a: a.but(rest=a.rest[:-8] + b"\x7f" * 8)),
    "an error without end": endless(struct.pack(">BBI", 1, 255, 0xFFFFFFFF)),
    "an error of nothing": send(lambda _: struct.pack(">BBI", 1, 255, 0)),
    "noise": send(lambda a: a.body[:4096]),
}


class LyingParentTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """The liar is the only parent that is no seed, and the seed sleeps until the liar was asked; so
        the liar is asked first, and for everything."""
        cls.cluster = Cluster(
            peers=2,
            seeds=1,
            with_manager=False,
            peer_options={"peer1": {"storage": {"server": {"ip": "127.0.0.1"}}}},
        )
        cls.addClassCleanup(cls._close)
        cls.liar, cls.child = cls.cluster.peers
        cls.seed = cls.cluster.seeds[0]
        cls.relay = Relay(cls.liar.host)
        cls.relay.behave = send(lambda answer: answer)
        make_file(cls.cluster.origin.path("file.bin"), SIZE)
        cls.digest = sha256_of(cls.cluster.origin.path("file.bin"))
        blob = f"v2/library/x/blobs/sha256:{cls.digest}"
        os.makedirs(os.path.dirname(cls.cluster.origin.path(blob)))
        os.link(cls.cluster.origin.path("file.bin"), cls.cluster.origin.path(blob))
        cls.url = cls.cluster.origin.url("file.bin")
        cls.blob_url = cls.cluster.origin.url(blob)
        for url in (cls.url, cls.blob_url):
            result = cls.liar.dfget(url, cls.cluster.path("liar.out"), "--overwrite")
            assert result.returncode == 0, result.stdout

    @classmethod
    def _close(cls):
        if hasattr(cls, "relay"):
            cls.relay.close()
        cls.cluster.close(keep=bool(os.environ.get("DF_E2E_KEEP")))

    def waking_the_seed(self, behave, after):
        def waking(connection, answer):
            if self.relay.asked >= after:
                self.seed.process.signal(signal.SIGCONT)
            return behave(connection, answer)

        return waking

    def download(self, behave, url=None, *arguments, wake_after=1):
        """A child that knows nothing fetches the file; returns what it logged meanwhile."""
        # On a busy machine the scheduler may hear of the liar too late to name it.
        for _ in range(3):
            text = self.download_once(behave, url or self.url, arguments, wake_after)
            if self.relay.asked > 0:
                return text
        return self.fail(f"the liar was not asked\n{text}{self.cluster.scheduler.process.log_tail(20)}")

    def download_once(self, behave, url, arguments, wake_after):
        child = self.child
        # Asked to, so that it tells the scheduler: of the peers that only look alive it chooses some.
        child.stop()
        shutil.rmtree(child.storage)
        with open(child.process.log_path, "rb") as log:
            log.seek(0, os.SEEK_END)
            child.start()
            self.relay.asked = 0
            self.relay.behave = self.waking_the_seed(behave, wake_after)
            self.seed.process.signal(signal.SIGSTOP)
            output = self.cluster.path("child.out")
            try:
                result = child.dfget(url, output, "--overwrite", *arguments, timeout=60)
            finally:
                self.seed.process.signal(signal.SIGCONT)
            text = log.read().decode(errors="replace")
        self.assertEqual(result.returncode, 0, result.stdout + text)
        self.assertEqual(sha256_of(output), self.digest, text)
        return text

    def assert_named_once(self, text):
        named = QUARANTINED.findall(text)
        self.assertEqual(named.count(f"{self.liar.host.ip}-{self.liar.host.name}"), 1, text)

    def test_an_honest_parent_is_trusted(self):
        before = self.seed.uploaded()
        text = self.download(send(lambda answer: answer), wake_after=PIECES)
        self.assertEqual(self.relay.asked, PIECES)
        self.assertEqual(QUARANTINED.findall(text), [])
        self.assertEqual(self.seed.uploaded(), before)

    def test_a_lie_ends_in_quarantine_and_in_the_right_file(self):
        for name, behave in LIES.items():
            with self.subTest(name):
                text = self.download(behave)
                self.assert_named_once(text)

    def test_one_lie_among_right_answers_is_enough(self):
        once = threading.Lock()

        def behave(connection, answer):
            lie = answer.number == 5 and once.acquire(blocking=False)
            connection.sendall((answer.damaged() if lie else answer).bytes())
            return True

        text = self.download(behave)
        self.assert_named_once(text)

    def test_wrong_bytes_with_their_right_crc_are_found_by_the_digest_of_the_blob(self):
        text = self.download(send(lambda a: a.damaged().with_right_crc()), self.blob_url)
        self.assert_named_once(text)

    def test_wrong_bytes_with_their_right_crc_are_found_by_the_digest_that_dfget_was_told(self):
        text = self.download(
            send(lambda a: a.damaged().with_right_crc()), self.url, "--digest", f"sha256:{self.digest}"
        )
        self.assert_named_once(text)

    def test_wrong_bytes_without_a_crc_are_found_by_the_digest_of_the_blob(self):
        text = self.download(send(lambda a: a.damaged().but(digest=b"")), self.blob_url)
        self.assert_named_once(text)

    def test_a_parent_may_hang_up_anywhere(self):
        """At the bytes where header and metadata begin and end, at many in between, and at some of the
        piece. (Each single byte is a unit test of the fetcher's; a download asks a parent twice at most.)"""
        in_piece = (1, 2, 4095, 65536, MIB, 4 * MIB - 12346)
        places = []
        lock = threading.Lock()
        used = 0

        def behave(connection, answer):
            nonlocal used
            head = len(answer.head())
            with lock:
                if not places:
                    chosen = {*range(12), *range(12, head - 12, 9), *range(head - 12, head + 1)}
                    places.extend([*sorted(chosen), *(head + more for more in in_piece)])
                place = places[used % len(places)]
                used += 1
            connection.sendall(answer.bytes()[:place])
            return False

        while not places or used < len(places):
            self.download(behave)

    def test_a_parent_may_answer_nothing_at_all(self):
        gone = threading.Event()
        self.addCleanup(gone.set)
        self.download(lambda connection, answer: gone.wait(30))

    def test_a_parent_may_drip(self):
        def drip(where):
            def behave(connection, answer):
                everything = answer.bytes()
                start = where(answer)
                connection.sendall(everything[:start])
                for at in range(start, len(everything), 10):
                    connection.sendall(everything[at : at + 10])
                    time.sleep(0.02)

            return behave

        places = {
            "from the first byte": lambda answer: 0,
            "from the first byte of the piece": lambda answer: len(answer.head()),
            "in the middle": lambda answer: len(answer.head()) + answer.length // 2,
        }
        for name, where in places.items():
            with self.subTest(name):
                self.download(drip(where), wake_after=1)

    def test_errors_without_end_are_no_lie(self):
        for code in (0, 1, 2, 3, 200):
            with self.subTest(code=code):
                text = self.download(
                    send(lambda _, code=code: struct.pack(">BBIB", 1, 255, 5, code) + b"sigh")
                )
                self.assertEqual(QUARANTINED.findall(text), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
