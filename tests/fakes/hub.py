"""A small Hugging Face hub as a real HTTP process: `python -m tests.fakes.hub PORT FOLDER [FAULT...]`.

FOLDER holds ORG/NAME/files. It speaks what huggingface_hub 2.x asks for: `/api/models/...`, HEAD and GET of
`/ORG/NAME/resolve/...`, ranges. Files of 4 KiB and more are LFS files. Every request is a line of FOLDER/requests.log:
`GET /path Range`.

Faults: cut (the first GET of each LFS file ends in its middle), cut-always (each connection ends after 64 KiB), flip
(LFS content differs from its hash), gated, full (states that safetensors take 10 PB each), no-range, slow (64 KiB at a
time, with pauses).
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" * 6 + "c0ff"
LFS = 4096


class Hub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, folder: Path, faults: frozenset[str]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.folder = folder
        self.faults = faults
        self.cut: set[str] = set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        with (self.server.folder / "requests.log").open("a") as log:
            log.write(f"{self.command} {path} {self.headers.get('Range', '-')}\n")
        parts = path.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        repo, rest = "/".join(parts[2:4] if api else parts[:2]), parts[4:] if api else parts[2:]
        revision = rest[1] if len(rest) > 1 else "main"
        if "gated" in self.server.faults:
            self._error(401, "GatedRepo")
        elif not (self.server.folder / repo).is_dir():
            self._error(404, "RepoNotFound")
        elif revision not in ("main", COMMIT):
            self._error(404, "RevisionNotFound")
        elif api:
            self._listing(repo)
        else:
            self._file(repo, "/".join(rest[2:]), body)

    def _listing(self, repo: str) -> None:
        root = self.server.folder / repo
        files = [
            self._describe(file, str(file.relative_to(root))) for file in sorted(root.rglob("*")) if file.is_file()
        ]
        text = json.dumps({"id": repo, "sha": COMMIT, "siblings": files, "private": False}).encode()
        self._send(200, {"Content-Type": "application/json"}, text)

    def _describe(self, file: Path, name: str) -> dict[str, object]:
        data = file.read_bytes()
        full = "full" in self.server.faults and name.endswith(".safetensors")
        size = 10**16 if full else len(data)
        found: dict[str, object] = {"rfilename": name, "size": size, "blobId": _git(data)}
        if len(data) >= LFS:
            found["lfs"] = {"size": size, "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}
        return found

    def _file(self, repo: str, name: str, body: bool) -> None:
        file = self.server.folder / repo / name
        if not file.is_file():
            self._error(404, "EntryNotFound")
            return
        data = file.read_bytes()
        lfs = len(data) >= LFS
        etag = hashlib.sha256(data).hexdigest() if lfs else _git(data)
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if lfs and "flip" in self.server.faults:
            data = data[:-1] + bytes([data[-1] ^ 1])
        status, first = 200, 0
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes=") and "no-range" not in self.server.faults:
            first = int(wanted.removeprefix("bytes=").split("-")[0])
            status = 206
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        data = data[first:]
        self._send(status, headers, data, body=body, stop=self._stop(name, len(data)) if body and lfs else None)

    def _stop(self, name: str, size: int) -> int | None:
        """Bytes after which this answer breaks off."""
        if "cut-always" in self.server.faults:
            return min(65536, size - 1)
        if "cut" in self.server.faults and name not in self.server.cut:
            self.server.cut.add(name)
            return size // 2
        return None

    def _send(
        self, status: int, headers: dict[str, str], data: bytes, *, body: bool = True, stop: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body and "slow" in self.server.faults:
            for i in range(0, len(data), 65536):
                self.wfile.write(data[i : i + 65536])
                time.sleep(0.1)
        elif body:
            self.wfile.write(data[:stop])
        if stop is not None:
            self.wfile.flush()
            self.close_connection = True

    def _error(self, status: int, code: str) -> None:
        self._send(status, {"X-Error-Code": code, "X-Error-Message": code}, b"{}", body=self.command == "GET")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


def _git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


if __name__ == "__main__":
    with Hub(int(sys.argv[1]), Path(sys.argv[2]), frozenset(sys.argv[3:])) as hub:
        hub.serve_forever()
