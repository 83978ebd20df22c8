"""Origins: nginx, which counts what it sends, and one that misbehaves on purpose."""

import http.server
import os
import re
import sys
import threading

from .process import Process, wait_for
from .daemons import _port_open

_NGINX = """
daemon off;
worker_processes 1;
error_log {dir}/error.log warn;
pid {dir}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  log_format count '$request_method $uri $status $body_bytes_sent "$http_range"';
  access_log {dir}/access.log count;
  client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
  uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
  sendfile on; tcp_nopush on; keepalive_requests 100000;
  server {{ listen {ip}:{port}; root {dir}/content; }}
}}
"""


class NginxOrigin:
    """Serves files of a directory; body_bytes() is the sum of what nginx logged for a path."""

    def __init__(self, host, directory, port=8080):
        self.host = host
        self.directory = directory
        self.port = port
        self.content = os.path.join(directory, "content")
        os.makedirs(self.content, exist_ok=True)
        # The workers drop root, so the path down to the content must be open to them.
        os.chmod(directory, 0o755)
        config = os.path.join(directory, "nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(_NGINX.format(dir=directory, ip=host.ip, port=port))
        self.process = Process(
            "nginx",
            host.command(
                *("nginx", "-e", f"{directory}/error.log", "-p", directory),
                *("-c", config, "-g", "user root;"),
            ),
            os.path.join(directory, "console.log"),
        )
        wait_for("nginx", lambda: _port_open(host.ip, port))

    def url(self, name):
        return f"http://{self.host.ip}:{self.port}/{name}"

    def path(self, name):
        return os.path.join(self.content, name)

    def requests(self, name=None):
        """(method, status, body bytes, range) of every request that has ended."""
        found = []
        with open(os.path.join(self.directory, "access.log"), encoding="utf-8") as log:
            for line in log:
                method, uri, status, size, asked = line.rstrip("\n").split(" ", 4)
                if name is None or uri == f"/{name}":
                    found.append((method, int(status), int(size), asked.strip('"')))
        return found

    def body_bytes(self, name=None):
        return sum(size for _, _, size, _ in self.requests(name))

    def close(self):
        # Not kill -9: the master would leave its workers behind.
        if self.process.alive():
            self.process.stop()


class BadOrigin:
    """An origin that misbehaves: the first part of the path says how.

    /status-403/x   that status            /close-half/x   closes after half of the body
    /lie-length/x   promises 1000 more bytes than it sends
    /no-range/x     ignores Range, always 200 and everything
    """

    def __init__(self, ip, content):
        self.requests = []
        origin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.answer(send_body=False)

            def do_GET(self):
                self.answer(send_body=True)

            def answer(self, send_body):
                origin.requests.append((self.command, self.path, self.headers.get("Range")))
                how = self.path.split("/")[1]
                status = re.fullmatch(r"status-(\d+)", how)
                if status:
                    return self.refuse(int(status.group(1)))
                start, end, code = 0, len(content), 200
                asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
                if asked and how != "no-range":
                    start, code = int(asked.group(1)), 206
                    end = min(int(asked.group(2) or len(content) - 1) + 1, len(content))
                body = content[start:end]
                promised = len(body) + (1000 if how == "lie-length" else 0)
                self.send_response(code)
                if code == 206:
                    self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
                self.send_header("Content-Length", str(promised))
                if how != "no-range":
                    self.send_header("Accept-Ranges", "bytes")
                self.end_headers()
                if not send_body:
                    return None
                if how == "close-half":
                    body = body[: len(body) // 2]
                self.wfile.write(body)
                if how in ("close-half", "lie-length"):
                    self.close_connection = True
                return None

            def refuse(self, code):
                self.send_response(code)
                self.send_header("X-Origin-Says", "no")
                self.send_header("Content-Length", "0")
                self.end_headers()

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                # A daemon that has seen enough hangs up; that is what these tests provoke.
                if not isinstance(sys.exc_info()[1], ConnectionError):
                    super().handle_error(request, client_address)

        self._server = Server((ip, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.ip, self.port = self._server.server_address[:2]

    def url(self, path):
        return f"http://{self.ip}:{self.port}/{path}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
