"""A fake Ollama as a real process: `python tests/fakes/ollama.py --port P [--have TAG] [--library TAG=BYTES] ...`

It speaks the API as Ollama's docs/api.md and source (v0.32) give it: version, tags, show, ps, pull, generate, embed,
and the OpenAI paths, where it drops `tool_choice`. No Ollama could be had here to record. Standard library only.

GET /fake/log: the requests so far. POST /fake/forget: all models are unloaded, as when Ollama was restarted.
"""

import argparse
import json
import time

from attached_http import Handler, Server, serve

STEPS = 20
FAR = 9e9


def full(tag):
    return tag if ":" in tag.rpartition("/")[2] else f"{tag}:latest"


def stamp(when):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + ".123456789Z"


class Ollama(Server):
    def __init__(self, options):
        super().__init__(options, Api)
        self.here = {full(tag) for tag in options.have}
        self.library = {full(t): int(size) for t, _, size in (text.partition("=") for text in options.library)}
        self.pulled = {}
        self.loaded = {}
        self.stays = {}

    def context(self, tag):
        return self.options.num_ctx or self.options.context

    def load(self, tag, keep_alive):
        """A keep_alive stays with the loaded model; without one a new model gets the server's own."""
        if keep_alive is not None:
            self.stays[tag] = FAR if keep_alive < 0 else keep_alive
        elif tag not in self.loaded:
            self.stays[tag] = self.options.keep_alive
        self.loaded[tag] = time.time() + self.stays[tag]
        if self.stays[tag] == 0:
            del self.loaded[tag]


class Api(Handler):
    def route(self, path, body):
        server, tag = self.server, full(str(body.get("model", "")))
        if path == "POST /fake/forget":
            server.loaded.clear()
            self.send(200, {})
            return
        if path in ("GET /api/version", "GET /api/tags", "GET /api/ps", "GET /v1/models"):
            self.send(200, self._read(path))
            return
        if path == "POST /api/pull":
            self._pull(tag)
            return
        if path in PATHS and tag not in server.here:
            self.send(404, {"error": f"model '{body.get('model')}' not found"})
            return
        if path == "POST /api/show":
            self.send(200, self._show(tag))
            return
        if path in ("POST /api/generate", "POST /api/embed"):
            if path == "POST /api/generate" and "completion" not in server.options.capabilities:
                self.send(400, {"error": f'"{body["model"]}" does not support generate'})
                return
            if server.options.load_error and body.get("keep_alive") != 0:
                self.send(500, {"error": server.options.load_error})
                return
            time.sleep(server.options.load_time)
            with server.lock:
                server.load(tag, body.get("keep_alive"))
            reason = "unload" if body.get("keep_alive") == 0 else "load"
            self.send(200, {"model": body["model"], "done": True, "done_reason": reason, "response": ""})
            return
        if path in PATHS:
            with server.lock:
                server.load(tag, None)
            if path == "POST /v1/embeddings":
                self.embed(body)
                return
            if body.get("tools") and "tools" not in server.options.capabilities:
                text = f"registry.ollama.ai/library/{body['model']} does not support tools"
                self.send(400, {"error": {"message": text, "type": "api_error", "param": None, "code": None}})
                return
            body.pop("tool_choice", None)
            self.chat(body)
            return
        self.send(404, {"error": "404 page not found"})

    def _read(self, path):
        server = self.server
        if path == "GET /api/version":
            return {"version": server.options.version}
        if path == "GET /v1/models":
            return {
                "object": "list",
                "data": [{"id": t, "object": "model", "owned_by": "library"} for t in server.here],
            }
        if path == "GET /api/tags":
            return {"models": [{"name": tag, "model": tag, "size": 2019393189} for tag in sorted(server.here)]}
        with server.lock:
            now = time.time()
            server.loaded = {tag: until for tag, until in server.loaded.items() if until > now}
            rows = [self._row(tag, until) for tag, until in server.loaded.items()]
        return {"models": rows}

    def _row(self, tag, until):
        row = {"name": tag, "model": tag, "size": 5137025024, "size_vram": 4294967296, "expires_at": stamp(until)}
        return row | {"digest": "2ae6f6dd7a3d", "context_length": self.server.context(tag)}

    def _show(self, tag):
        options = self.server.options
        shown = {"details": {"family": "qwen3", "quantization_level": "Q4_K_M"}, "template": "{{ .Prompt }}"}
        shown["parameters"] = 'stop                           "<|im_end|>"\ntemperature                    0.6'
        if options.num_ctx:
            shown["parameters"] += f"\nnum_ctx                        {options.num_ctx}"
        info = {"general.architecture": "qwen3", "qwen3.context_length": 262144}
        return shown | {"model_info": info, "capabilities": options.capabilities}

    def _pull(self, tag):
        server = self.server
        self.begin("application/x-ndjson")
        self._line({"status": "pulling manifest"})
        if tag not in server.library:
            self._line({"error": "pull model manifest: file does not exist"})
            self.wfile.write(b"0\r\n\r\n")
            return
        size, begun = server.library[tag], server.pulled.get(tag, 0)
        for step in range(begun, STEPS + 1):
            done = size * step // STEPS
            digest = {"status": "pulling dde5aa3fc5ff", "digest": "sha256:dde5aa3fc5ff", "total": size}
            self._line(digest | ({"completed": done} if done else {}))
            server.pulled[tag] = step
            if server.options.cut_pull and begun == 0 and step == STEPS // 2:
                self.close_connection = True
                self.connection.close()
                return
            time.sleep(server.options.pull_time / STEPS)
        for status in ("verifying sha256 digest", "writing manifest", "success"):
            self._line({"status": status})
        server.here.add(tag)
        self.wfile.write(b"0\r\n\r\n")

    def _line(self, value):
        self.piece(json.dumps(value).encode() + b"\n")


PATHS = (
    "POST /api/show",
    "POST /api/generate",
    "POST /api/embed",
    "POST /v1/chat/completions",
    "POST /v1/embeddings",
)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--version", default="0.32.5")
    parser.add_argument("--key", help="a proxy before it wants this bearer token")
    parser.add_argument("--have", action="append", default=[], metavar="TAG")
    parser.add_argument("--library", action="append", default=[], metavar="TAG=BYTES", help="what can be pulled")
    parser.add_argument("--capabilities", nargs="*", default=["completion", "tools"])
    parser.add_argument("--context", type=int, default=4096, help="OLLAMA_CONTEXT_LENGTH")
    parser.add_argument("--num-ctx", type=int, help="of every Modelfile")
    parser.add_argument("--keep-alive", type=int, default=300, help="OLLAMA_KEEP_ALIVE in seconds")
    parser.add_argument("--load-time", type=float, default=0)
    parser.add_argument("--load-error", metavar="TEXT", help="nothing can be loaded")
    parser.add_argument("--pull-time", type=float, default=0)
    parser.add_argument("--cut-pull", action="store_true", help="the first pull breaks off in its middle")
    return parser.parse_args()


if __name__ == "__main__":
    serve(Ollama(arguments()))
