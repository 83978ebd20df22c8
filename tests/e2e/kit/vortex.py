"""A relay in front of a parent's Vortex port that passes answers on as the test wants them."""

import ctypes
import ctypes.util
import dataclasses
import os
import socket
import struct
import threading
import zlib

from .net import CLONE_NEWNET

_REQUEST = 74
_PIECE_CONTENT = 1


def _enter(namespace):
    """Moves the calling thread to another host."""
    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    finally:
        os.close(fd)


def _read(connection, size):
    parts = []
    while size > 0:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise ConnectionError("closed half-way")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


@dataclasses.dataclass(frozen=True)
class Answer:
    """A piece as it travels; docs/formats/vortex.md."""

    number: int
    offset: int
    length: int
    digest: bytes
    parent_id: bytes
    rest: bytes  # traffic type, cost, time of arrival
    body: bytes
    tag: int = _PIECE_CONTENT

    @classmethod
    def receive(cls, connection):
        _, tag, size = struct.unpack(">BBI", _read(connection, 6))
        if tag != _PIECE_CONTENT:
            raise ConnectionError(f"the parent itself answers {_read(connection, size)}")
        (length,) = struct.unpack(">I", _read(connection, 4))
        block = _read(connection, length)
        number, offset, length, digest_length = struct.unpack_from(">IQQI", block)
        at = 24 + digest_length
        digest = block[24:at]
        (id_length,) = struct.unpack_from(">I", block, at)
        at += 4 + id_length
        return cls(
            number, offset, length, digest, block[at - id_length : at], block[at:],
            _read(connection, length),
        )

    def but(self, **changes):
        return dataclasses.replace(self, **changes)

    def with_right_crc(self):
        return self.but(digest=b"crc32:%d" % zlib.crc32(self.body))

    def damaged(self):
        """One bit is another."""
        middle = len(self.body) // 2
        return self.but(
            body=self.body[:middle] + bytes([self.body[middle] ^ 1]) + self.body[middle + 1 :]
        )

    def head(self):
        block = (
            struct.pack(">IQQI", self.number, self.offset, self.length, len(self.digest))
            + self.digest
            + struct.pack(">I", len(self.parent_id))
            + self.parent_id
            + self.rest
        )
        return struct.pack(">BBII", 7, self.tag, 4 + len(block), len(block)) + block

    def bytes(self):
        return self.head() + self.body


class Relay:
    """Listens on `host`, address of the host and `port`; the daemon behind it on 127.0.0.1 and the same
    port of that host. behave(connection, answer) is called for each request with the daemon's answer; a
    true result means that the connection serves another request."""

    def __init__(self, host, port=4005):
        self.behave = None
        self.asked = 0
        self._host = host
        self._port = port
        self._answers = {}  # request without its id -> Answer
        self._lock = threading.Lock()
        self._open = set()
        self._closing = False
        ready = threading.Event()
        self._threads = [threading.Thread(target=self._serve, args=(ready,))]
        self._threads[0].start()
        ready.wait(timeout=10)

    def _serve(self, ready):
        _enter(self._host.namespace)
        with socket.create_server((self._host.ip, self._port), backlog=64) as self._listener:
            ready.set()
            while not self._closing:
                try:
                    connection, _ = self._listener.accept()
                except OSError:
                    return
                # A thread stays on the host of its parent.
                thread = threading.Thread(target=self._talk, args=(connection,))
                with self._lock:
                    self._open.add(connection)
                    self._threads.append(thread)
                thread.start()

    def _talk(self, connection):
        with connection:
            try:
                while True:
                    answer = self._fetch(_read(connection, _REQUEST))
                    with self._lock:
                        self.asked += 1
                    if not self.behave(connection, answer):
                        break
            except OSError:
                pass  # The child has seen enough.
            finally:
                with self._lock:
                    self._open.discard(connection)

    def _fetch(self, request):
        with self._lock:
            known = self._answers.get(request[1:])
        if known is None:
            with socket.create_connection(("127.0.0.1", self._port)) as upstream:
                upstream.sendall(request)
                known = Answer.receive(upstream)
            with self._lock:
                self._answers[request[1:]] = known
        return known

    def close(self):
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)
            threads = list(self._threads)
        for thread in threads:
            thread.join(timeout=10)
