"""A fake LM Studio as a real process: `python tests/fakes/lm_studio.py --port P --have MODEL [--loaded N] ...`

It speaks the REST API v0 and the OpenAI paths as LM Studio's docs and bug tracker give them: a named `tool_choice` is a
400, an unknown path a 200 with an error. No LM Studio could be had here to record. Standard library only.
"""

import argparse

from attached_http import Handler, Server, serve


class Api(Handler):
    def route(self, path, body):
        options = self.server.options
        if path == "GET /api/v0/models" and not options.old:
            self.send(200, {"object": "list", "data": [self._row(name) for name in options.have]})
            return
        if path == "GET /v1/models":
            rows = [{"id": name, "object": "model"} for name in options.have]
            self.send(200, {"object": "list", "data": rows})
            return
        if path == "POST /v1/chat/completions":
            choice = body.get("tool_choice")
            if isinstance(choice, dict):
                text = "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"
                self.send(400, {"error": text})
                return
            self.chat(body)
            return
        if path == "POST /v1/embeddings":
            self.embed(body)
            return
        self.send(200, {"error": f"Unexpected endpoint or method. ({path})"})

    def _row(self, name):
        options = self.server.options
        row = {"id": name, "object": "model", "type": options.type, "publisher": "lmstudio-community"}
        row |= {"arch": "qwen3", "compatibility_type": "gguf", "quantization": "Q4_K_M", "max_context_length": 131072}
        if options.loaded:
            return row | {"state": "loaded", "loaded_context_length": options.loaded}
        return row | {"state": "not-loaded"}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", help="the API token that every request must carry")
    parser.add_argument("--have", action="append", default=[], metavar="MODEL")
    parser.add_argument("--type", default="llm", choices=("llm", "vlm", "embeddings"))
    parser.add_argument("--loaded", type=int, metavar="CONTEXT", help="the models are loaded, with this context")
    parser.add_argument("--old", action="store_true", help="before 0.3.6: no REST API")
    return parser.parse_args()


if __name__ == "__main__":
    serve(Server(arguments(), Api))
