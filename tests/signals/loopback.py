"""A web server on this machine that breaks connections on demand."""

from __future__ import annotations

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves `files` on the loopback; breaks the connection after `break_after` bytes of the next `num_breaks` answers."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []  # the Range header of each request
        self.break_after = 300_000
        self.num_breaks = 0
        self.knows_range = True

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def finish_request(self, request, client_address):
        self.RequestHandlerClass(request, client_address, self)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        content = self.server.files.get(self.path[1:])
        wanted = self.headers.get("Range", "")
        self.server.requests.append(wanted)
        if content is None:
            self.send_error(404)
            return
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(content) > 0:
            self.send_error(416)
            return
        resumes = bool(wanted) and self.server.knows_range and self.headers.get("If-Range", etag) == etag
        body = content[start:] if resumes else content
        self.send_response(206 if resumes else 200)
        if resumes:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.num_breaks > 0:
            self.server.num_breaks -= 1
            self.wfile.write(body[: self.server.break_after])
        else:
            self.wfile.write(body)
