"""A small stand-in of the Hugging Face hub's HTTP API on this machine: repositories, commits, large files, downloads.

It knows one token, keeps files in memory, notes every request, and is strict where the hub is: the metadata of a card must be
YAML, a large file must have the digest it was announced with, and a private repository is not shown to strangers.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

TOKEN = "hf_secret"
REPOSITORY = re.compile(r"/api/models/([^/]+/[^/]+)(.*)")


@dataclass
class Repository:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=lambda: ["0" * 40])

    @property
    def sha(self) -> str:
        return self.commits[-1]


class HubStub(ThreadingHTTPServer):
    """The server; `with HubStub() as hub:` runs it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.refuses_commits = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[HubStub]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubStub

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *_) -> None:
        pass

    def _serve(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        body = self._body()
        known = REPOSITORY.fullmatch(path)
        if self.command == "PUT" and path.startswith("/lfs/"):
            self._take_large(path.removeprefix("/lfs/"), body)
        elif path == "/api/validate-yaml":
            self._validate(json.loads(body)["content"])
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._announce_large(json.loads(body))
        elif known is not None:
            self._serve_repository(known[1], known[2], body)
        elif "/resolve/" in path:
            name, _, rest = path.lstrip("/").partition("/resolve/")
            self._give_file(name, rest.partition("/")[2])
        else:
            self._answer(404, {"error": f"no such address {path}"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, code: int, value: object, **headers: str) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        for name, text in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def _is_known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _create(self, wanted: dict) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        if not self._is_known:
            self._answer(401, {"error": "Invalid username or password."})
        elif name in self.server.repositories:
            self._answer(409, {"error": "You already created this model repo", "url": f"{self.server.url}/{name}"})
        else:
            self.server.repositories[name] = Repository(wanted.get("visibility") == "private" or bool(wanted.get("private")))
            self._answer(200, {"url": f"{self.server.url}/{name}"})

    def _validate(self, content: str) -> None:
        metadata = yaml.safe_load(content.split("---")[1]) if content.startswith("---\n") else None
        if not isinstance(metadata, dict) or ("license_name" in metadata) != (metadata.get("license") == "other"):
            self._answer(400, {"errors": [{"message": f"metadata are {metadata}"}], "warnings": []})
        else:
            self._answer(200, {"errors": [], "warnings": []})

    def _announce_large(self, wanted: dict) -> None:
        objects = [{**one, "actions": {"upload": {"href": f"{self.server.url}/lfs/{one['oid']}"}}} for one in wanted["objects"]]
        self._answer(200, {"transfer": "basic", "objects": objects})

    def _take_large(self, oid: str, body: bytes) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            self._answer(400, {"error": "the file is another than was announced"})
        else:
            self.server.large[oid] = body
            self._answer(200, {})

    def _serve_repository(self, name: str, rest: str, body: bytes) -> None:
        found = self.server.repositories.get(name)
        if found is None or (found.private and not self._is_known):
            self._answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        elif rest in ("", "/revision/main", f"/revision/{found.sha}"):
            siblings = [{"rfilename": path} for path in found.files]
            self._answer(200, {"id": name, "private": found.private, "sha": found.sha, "siblings": siblings, "tags": []})
        elif rest.startswith("/tree/"):
            self._answer(200, [self._entry(path, content) for path, content in found.files.items()])
        elif rest == "/preupload/main":
            files = [
                {"path": one["path"], "uploadMode": "lfs" if _is_large(one["path"]) else "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            self._answer(200, {"files": files})
        elif rest == "/commit/main" and self._is_known and not self.server.refuses_commits:
            self._commit(name, found, [json.loads(line) for line in body.splitlines()])
        else:
            self._answer(403, {"error": "You don't have the rights to write here"})

    def _entry(self, path: str, content: bytes) -> dict:
        entry = {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        if _is_large(path):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return entry

    def _commit(self, name: str, found: Repository, lines: list[dict]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                found.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                found.files[value["path"]] = self.server.large[value["oid"]]
        sha = hashlib.sha1(repr(sorted(found.files.items())).encode()).hexdigest()
        found.commits.append(sha)
        self._answer(200, {"commitUrl": f"{self.server.url}/{name}/commit/{sha}", "commitOid": sha})

    def _give_file(self, name: str, path: str) -> None:
        found = self.server.repositories.get(name)
        if found is None or (found.private and not self._is_known):
            self._answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        elif path not in found.files:
            self._answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=found.sha)
        else:
            content = found.files[path]
            etag = hashlib.sha256(content).hexdigest()
            self._answer(200, content, ETag=f'"{etag}"', X_Repo_Commit=found.sha)


def _is_large(path: str) -> bool:
    return path.endswith(".safetensors")
