"""A fake engine as a real process: an OpenAI server whose model is perfect and whose faults have names.

    python tests/fakes/engine.py --port 21400 [--fault NAME[@TURN][:streamed]] [--chunk token|char|whole]

Process faults: --start-delay S, --exit-at-once, --never-ready, --die-mid-stream N, --ignore-sigterm, --hang.
Faults of the tool path: engine_faults.py (`--list-faults`). Standard library only.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time

import engine_media
from engine_faults import FAULTS
from engine_replies import Style, completion, error, reply, sse_style
from engine_wires import WIRES

MODEL = "fake"
MEDIA = ("/v1/embeddings", "/v1/rerank", "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations")
PATHS = ("/v1/chat/completions", "/v1/completions", *MEDIA)


class Engine:
    def __init__(self, options):
        self.options = options
        self.style = Style(
            fault=options.fault,
            chunk=options.chunk,
            ids=options.ids,
            content=options.content,
            usage=not options.no_usage,
            reasoning=options.reasoning,
            sse=options.sse,
            strict=options.strict_fields,
            wire=options.wire,
            prefill=options.prefill,
            cached=options.cached_tokens,
        )
        self.asleep = False
        self.chunks = 0
        self.requests = 0
        self.cancelled = 0
        self.images = 0

    async def serve(self, reader, writer):
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.cancelled += 1
        finally:
            writer.close()

    async def _one(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
        body = await self._body(reader, headers)
        self.requests += 1
        await self._route(writer, method, path.partition("?")[0], headers, body)
        return headers.get("connection", "").lower() != "close"

    async def _body(self, reader, headers):
        if headers.get("transfer-encoding") != "chunked":
            return await reader.readexactly(int(headers.get("content-length", 0)))
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return body

    async def _route(self, writer, method, path, headers, raw):
        options = self.options
        if path == "/health":
            ready = not options.never_ready
            return await self._send(writer, 200 if ready else 503, {"status": "ok" if ready else "loading model"})
        if options.sleeps and path in ("/sleep", "/wake_up", "/is_sleeping"):
            return await self._sleep(writer, path)
        if self.asleep:
            return await self._send(writer, 500, error("the engine is asleep", "internal_error"))
        if options.never_ready:
            return await self._send(writer, 503, error("loading model", "unavailable_error"))
        if options.key and headers.get("authorization") != f"Bearer {options.key}":
            told = f": {headers.get('authorization')}" if options.tell_key else ""
            return await self._send(writer, 401, error(f"invalid api key{told}", "invalid_request_error"))
        if path == "/v1/models":
            entry = {"id": options.model, "object": "model", "created": 0, "owned_by": "fake"}
            return await self._send(writer, 200, {"object": "list", "data": [entry]})
        if path == "/fake/state":
            state = {"requests": self.requests, "cancelled": self.cancelled, "images": self.images, "pid": os.getpid()}
            return await self._send(writer, 200, state)
        if method != "POST" or path not in PATHS:
            return await self._send(writer, 404, error(f"no such path: {path}", "not_found_error"))
        try:
            is_form = headers.get("content-type", "").startswith("multipart/")
            body = engine_media.fields(headers["content-type"], raw) if is_form else json.loads(raw)
        except ValueError:
            return await self._send(writer, 400, error("the body is not JSON", "invalid_request_error"))
        if options.strict_model and body.get("model") != options.model:
            return await self._send(writer, 404, error(f"no such model: {body.get('model')}", "not_found_error"))
        if options.hang:
            await asyncio.sleep(3600)
        if path in MEDIA:
            return await self._media(writer, path, body)
        if images := engine_media.shown(body):
            if not options.vision:
                return await self._send(writer, 400, error("image input is not supported", "invalid_request_error"))
            self.images += len(images)
            body = engine_media.plain(body)
            if options.broken == "vision":
                return await self._send(writer, 200, {"choices": []})
        answer = (completion if path == "/v1/completions" else reply)(body, self.style)
        await asyncio.sleep(answer.delay + options.reply_delay)
        return await self._answer(writer, answer)

    async def _sleep(self, writer, path):
        """As vLLM with --enable-sleep-mode and VLLM_SERVER_DEV_MODE=1."""
        if path == "/is_sleeping":
            return await self._send(writer, 200, {"is_sleeping": self.asleep})
        if self.options.sleeps == "badly" and path == "/sleep":
            return await self._send(writer, 500, error("cannot sleep", "internal_error"))
        if self.options.sleeps == "deeply" and path == "/wake_up":
            return await self._send(writer, 500, error("cannot wake", "internal_error"))
        self.asleep = path == "/sleep"
        return await self._send(writer, 200, {"status": "sleeping" if self.asleep else "awake"})

    async def _media(self, writer, path, body):
        broken, options = self.options.broken, self.options
        if path == "/v1/embeddings":
            return await self._send(writer, 200, engine_media.vectors(body, options.dimensions, broken == "embed"))
        if path == "/v1/rerank":
            return await self._send(writer, 200, engine_media.rerank(body, broken == "rerank"))
        if path == "/v1/audio/speech":
            status, kind, raw = engine_media.speech(body, options.voice, broken == "speak")
            return await self._send(writer, status, raw, kind)
        return await self._send(writer, 200, engine_media.transcript(body, broken == "transcribe"))

    async def _send(self, writer, status, value, kind="application/json"):
        raw = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
        head = f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {len(raw)}\r\n\r\n"
        writer.write(head.encode() + raw)
        await writer.drain()

    async def _answer(self, writer, answer):
        head = (
            f"HTTP/1.1 {answer.status} x\r\nContent-Type: {answer.content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        writer.write(head.encode())
        for part in answer.parts:
            if self.options.token_delay:
                await asyncio.sleep(self.options.token_delay)
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
            self.chunks += 1
            if self.options.die_mid_stream and self.chunks >= self.options.die_mid_stream:
                os._exit(1)
        if answer.cut:
            writer.transport.abort()
            raise ConnectionResetError
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: any free port; the log line says which")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--model", default=MODEL, help="the id in /v1/models")
    parser.add_argument("--strict-model", action="store_true", help="404 for any other model")
    parser.add_argument("--key", help="the bearer token that every request must carry")
    parser.add_argument("--tell-key", action="store_true", help="repeat a wrong key in the error")
    parser.add_argument("--dimensions", type=int, default=8, help="length of an embedding")
    parser.add_argument("--vision", action="store_true", help="takes images; else 400 for them")
    parser.add_argument("--voice", default="", help="the only voice it has")
    parser.add_argument("--broken", choices=engine_media.CAPABILITIES, default="", help="answers that wrongly")
    parser.add_argument("--fault", default="", help="NAME, NAME@TURN (from that turn on), NAME:streamed")
    parser.add_argument("--list-faults", action="store_true")
    parser.add_argument("--chunk", choices=("token", "char", "whole"), default="token")
    parser.add_argument("--ids", choices=("openai", "mistral", "kimi", "uuid"), default="openai")
    parser.add_argument("--content", choices=("null", "absent", "empty", "whitespace", "text"), default="null")
    parser.add_argument("--sse", choices=sse_style, default="plain", help="how events are framed")
    parser.add_argument("--wire", choices=WIRES, default="hermes", help="how the model writes calls")
    parser.add_argument("--prefill", type=float, default=0, metavar="S", help="time of 1,000 uncached tokens")
    parser.add_argument("--no-usage", action="store_true")
    parser.add_argument("--cached-tokens", action="store_true", help="usage says what the prefix cache held")
    parser.add_argument("--reasoning", type=int, default=0, metavar="N", help="tokens of reasoning before every answer")
    parser.add_argument("--strict-fields", action="store_true", help="400 for fields that not every server knows")
    parser.add_argument("--token-delay", type=float, default=0, metavar="S", help="pause before each chunk")
    parser.add_argument("--reply-delay", type=float, default=0, metavar="S", help="time that every reply takes")
    parser.add_argument("--start-delay", type=float, default=0, metavar="S", help="wait before listening")
    parser.add_argument("--exit-at-once", action="store_true", help="exit 2 as for a wrong flag")
    parser.add_argument("--never-ready", action="store_true", help="listen, answer 503 for ever")
    parser.add_argument("--die-mid-stream", type=int, default=0, metavar="N", help="die after N chunks in all")
    parser.add_argument("--ignore-sigterm", action="store_true")
    parser.add_argument("--sleeps", choices=("well", "badly", "deeply"), help="has a sleep mode (which fails)")
    parser.add_argument("--hang", action="store_true", help="accept requests, never answer")
    return parser.parse_args(argv)


async def main(options):
    engine = Engine(options)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    ignore = (lambda: print("SIGTERM ignored", flush=True)) if options.ignore_sigterm else stop.set
    loop.add_signal_handler(signal.SIGTERM, ignore)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    await asyncio.sleep(options.start_delay)
    server = await asyncio.start_server(engine.serve, options.host, options.port, limit=1 << 20)
    port = server.sockets[0].getsockname()[1]
    print(f"fake engine {options.model} listens on http://{options.host}:{port} pid {os.getpid()}", flush=True)
    await stop.wait()
    print(f"fake engine stops after {engine.requests} requests", flush=True)
    os._exit(0)


if __name__ == "__main__":
    chosen = arguments()
    if chosen.list_faults:
        print("\n".join(FAULTS))
        sys.exit(0)
    if chosen.exit_at_once:
        time.sleep(chosen.start_delay)
        print("error: unrecognized arguments: --no-such-flag", file=sys.stderr, flush=True)
        sys.exit(2)
    try:
        asyncio.run(main(chosen))
    except OSError as problem:
        print(f"error: {problem}", file=sys.stderr, flush=True)
        sys.exit(1)
