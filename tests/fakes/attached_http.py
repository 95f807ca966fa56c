"""What the fakes of Ollama and LM Studio share: JSON over HTTP, a perfect model behind /v1, a log of all requests."""

import json
import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from engine_replies import Style, embeddings, reply


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, options, handler):
        super().__init__(("127.0.0.1", options.port), handler)
        self.options = options
        self.lock = threading.Lock()
        self.log = []


class Handler(BaseHTTPRequestHandler, ABC):
    protocol_version = "HTTP/1.1"
    style = Style(chunk="whole")

    def do_GET(self):
        self._answer("GET", {})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer("POST", json.loads(raw or b"{}"))

    def _answer(self, method, body):
        path = self.path.partition("?")[0]
        if path == "/fake/log":
            self.send(200, {"log": self.server.log})
            return
        with self.server.lock:
            self.server.log.append({"path": f"{method} {path}", "body": body})
        key = self.server.options.key
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            self.send(401, {"error": "unauthorized"})
            return
        self.route(f"{method} {path}", body)

    @abstractmethod
    def route(self, path, body):
        """Answers `METHOD /path`."""

    def send(self, status, value):
        raw = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def begin(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def piece(self, raw):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self.wfile.flush()

    def chat(self, body):
        answer = reply(body, self.style)
        if answer.status != 200:
            self.send(answer.status, json.loads(b"".join(answer.parts)))
            return
        self.begin(answer.content_type)
        for part in answer.parts:
            self.piece(part)
        self.wfile.write(b"0\r\n\r\n")

    def embed(self, body):
        self.send(200, embeddings(body, 8))

    def log_message(self, format, *args):  # noqa: A002
        return


def serve(server):
    print(f"listens on {server.server_address[1]}", flush=True)
    server.serve_forever()
