"""A fast fake OpenAI upstream as a real process: what a gateway is measured against, with the faults of an HTTP server.

    python tests/fakes/upstream.py [--port 0] [--tls CERT KEY]

Prints its port, then serves until stdin closes. An answer is chosen by the request's `x-fake` header, as words
`name` or `name=value` separated by spaces:

    stream            server-sent events; without x-fake also by `"stream":true` in the body
    chunks=N          events of a stream [3]
    pace=S            seconds between them [0]
    events=TEXT       what the events are: chat | messages | responses [by the path]
    tool=ARGUMENTS    one tool call with these arguments, percent-encoded
    split             write every event in two halves, crlf: end lines in CR LF
    size=N            a body of about N bytes
    status=N          that status; kind=TYPE its content type; text=TEXT its body, percent-encoded
    header=NAME:VALUE one more header
    delay=S           before the head
    http10            no length, end with the connection; whole=no: without the last event
    close-first       close instead of answering where the connection has served before; always: also where it has not
    close-after       close after the answer without having said so
    cut=N             cut the connection after N events, or N bytes of a plain body
    half              with cut: half an event goes out before
    die               with cut: the process exits instead
    clean             with cut: a stream is ended properly there

GET /log: the requests so far, newest last, as [{"connection", "head", "body", "gone"}]; gone: the client left early.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
from urllib.parse import unquote

import httptools
import uvloop

CHAT = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "fake",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello there."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }
).encode()
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(CHAT), CHAT)
LOG = []
KEPT = 100


def chat_events(plan):
    count = int(plan.get("chunks", 3))
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
    for n in range(count):
        delta = {"role": "assistant", "content": f"t{n} "}
        yield {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    if "tool" in plan:
        text = unquote(plan["tool"])
        for n, part in enumerate((text[: len(text) // 2], text[len(text) // 2 :])):
            call = {"index": 0, "function": {"arguments": part}}
            if n == 0:
                call |= {"id": "call_1", "type": "function", "function": {"name": "ping", "arguments": part}}
            yield {**base, "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
    usage = {"prompt_tokens": 11, "completion_tokens": count, "total_tokens": 11 + count}
    end = "tool_calls" if "tool" in plan else "stop"
    yield {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": end}], "usage": usage}


def messages_events(plan):
    count = int(plan.get("chunks", 3))
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 0}}
    yield {"type": "message_start", "message": message}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for n in range(count):
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"t{n} "}}
    yield {"type": "content_block_stop", "index": 0}
    if "tool" in plan:
        block = {"type": "tool_use", "id": "toolu_1", "name": "ping", "input": {}}
        yield {"type": "content_block_start", "index": 1, "content_block": block}
        delta = {"type": "input_json_delta", "partial_json": unquote(plan["tool"])}
        yield {"type": "content_block_delta", "index": 1, "delta": delta}
        yield {"type": "content_block_stop", "index": 1}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": count}}
    yield {"type": "message_stop"}


def responses_events(plan):
    item = {"type": "function_call", "name": "ping", "call_id": "c", "arguments": unquote(plan.get("tool", "{}"))}
    usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    yield {"type": "response.created", "response": {"id": "r", "output": []}}
    for n in range(int(plan.get("chunks", 3))):
        yield {"type": "response.output_text.delta", "delta": f"t{n} "}
    yield {"type": "response.completed", "response": {"id": "r", "output": [item], "usage": usage}}


EVENTS = {"chat": chat_events, "messages": messages_events, "responses": responses_events}


def encoded(plan, path):
    """The stream's events as bytes, the last one included."""
    kind = plan.get("events") or next((k for k in ("messages", "responses") if k in path), "chat")
    named = kind != "chat"
    out = []
    for event in EVENTS[kind](plan):
        name = f"event: {event['type']}\n" if named else ""
        out.append(f"{name}data: {json.dumps(event)}\n\n")
    if not named:
        out.append("data: [DONE]\n\n")
    if plan.get("whole") == "no":
        out.pop()
    if "crlf" in plan:
        out = [event.replace("\n", "\r\n") for event in out]
    return [event.encode() for event in out]


class Upstream(asyncio.Protocol):
    made = 0

    def __init__(self):
        self.parser = httptools.HttpRequestParser(self)
        self.task = None
        self.entry = None
        self.served = 0
        Upstream.made += 1
        self.number = Upstream.made

    def connection_made(self, transport):
        self.transport = transport
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_lost(self, exc):
        self.writable.set()
        if self.task:
            self.entry["gone"] = not self.task.done()
            self.task.cancel()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_message_begin(self):
        self.url, self.head, self.parts = b"", [], []

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        self.head.append((name, value))

    def on_body(self, body):
        self.parts.append(body)

    def on_message_complete(self):
        if self.url == b"/log":
            body = json.dumps(LOG).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            return
        fake = next((v for k, v in self.head if k.lower() == b"x-fake"), None)
        body = b"".join(self.parts)
        if fake is None and b'"stream":true' not in body.replace(b": ", b":"):
            self.served += 1
            self.note(body)
            self.transport.write(PLAIN)
            return
        plan = {w.partition("=")[0]: w.partition("=")[2] for w in (fake or b"stream").decode().split()}
        self.note(body)
        self.task = asyncio.get_running_loop().create_task(self.answer(plan))

    def note(self, body):
        if len(body) > 100_000:
            body = body[:1000]
        head = [[k.decode("latin-1").lower(), v.decode("latin-1")] for k, v in self.head] if len(LOG) < KEPT else []
        self.entry = {"connection": self.number, "url": self.url.decode(), "head": head, "gone": False}
        self.entry["body"] = body.decode("utf-8", "replace")
        if len(LOG) < KEPT:
            LOG.append(self.entry)

    async def answer(self, plan):
        served, self.served = self.served, self.served + 1
        if "delay" in plan:
            await asyncio.sleep(float(plan["delay"]))
        if "close-first" in plan and (served or plan["close-first"] == "always"):
            self.transport.close()
        elif "stream" in plan:
            await self.stream(plan)
        else:
            await self.plain(plan)
        if "close-after" in plan:
            self.transport.close()

    async def plain(self, plan):
        body = unquote(plan.get("text", CHAT.decode())).encode()
        if "tool" in plan:
            call = {"id": "c", "type": "function", "function": {"name": "p", "arguments": unquote(plan["tool"])}}
            body = json.dumps({"choices": [{"message": {"tool_calls": [call]}}]}).encode()
        if "size" in plan:
            body = b'{"pad":"' + b"x" * int(plan["size"]) + b'"}'
        head = b"HTTP/1.1 %d X\r\ncontent-type: %b\r\n" % (
            int(plan.get("status", 200)),
            plan.get("kind", "application/json").encode(),
        )
        if "header" in plan:
            head += plan["header"].replace(":", ": ", 1).encode() + b"\r\n"
        if "http10" not in plan:
            head += b"content-length: %d\r\n" % len(body)
        cut = int(plan.get("cut", len(body)))
        self.transport.write(head + b"\r\n")
        for at in range(0, cut, 1 << 16):
            self.transport.write(body[at : min(at + (1 << 16), cut)])
            await self.writable.wait()
        if "cut" in plan:
            await self.cut(plan)
        elif "http10" in plan:
            self.transport.close()

    async def stream(self, plan):
        chunked = "http10" not in plan
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\naccess-control-allow-origin: *\r\n"
        self.transport.write(head + (b"transfer-encoding: chunked\r\n\r\n" if chunked else b"\r\n"))
        pace = float(plan.get("pace", 0))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for n, event in enumerate(encoded(plan, self.url.decode())):
            if "cut" in plan and n == int(plan["cut"]):
                if "half" in plan:
                    self.piece(event[: len(event) // 2], chunked)
                await self.cut(plan)
                return
            half = len(event) // 2 if "split" in plan else len(event)
            self.piece(event[:half], chunked)
            if "split" in plan:
                await asyncio.sleep(0.001)
                self.piece(event[half:], chunked)
            if pace:
                await asyncio.sleep(max(0.0, begun + (n + 1) * pace - loop.time()))
            await self.writable.wait()
        if chunked:
            self.transport.write(b"0\r\n\r\n")
        else:
            self.transport.close()

    def piece(self, data, chunked):
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)

    async def cut(self, plan):
        if "clean" in plan:
            self.transport.write(b"0\r\n\r\n")
            return
        await asyncio.sleep(0.05)  # let it arrive: an abort throws away what waits
        if "die" in plan:
            os._exit(9)
        self.transport.abort()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    options = parser.parse_args()
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*options.tls)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", options.port, ssl=tls, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(main())
