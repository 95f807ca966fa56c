"""Plays unseen dialogues against a server: `python -m models.selftest.train.drive http://127.0.0.1:8080 --walks 20`.

Free run: the history holds what the server itself replied. A dialogue ends at its first wrong reply. Plain chat
completions, temperature 0; with --stream the deltas are put together.
"""

from __future__ import annotations

import argparse
import json
import random
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from models.selftest.train.chat import Dialogue, Message
from models.selftest.train.dialogues import probe_episode, sample
from models.selftest.train.walk import PROBE, RETRIES


@dataclass
class Server:
    url: str
    model: str
    stream: bool = False
    seconds: list[float] = field(default_factory=list)
    prompt_tokens: int = 0

    def reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> Message:
        """The assistant message that the server gives."""
        body: dict[str, Any] = {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": 400}
        if tools:
            body |= {"tools": tools, "tool_choice": "auto", "parallel_tool_calls": True}
        if self.stream:
            body |= {"stream": True}
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        begun = time.perf_counter()
        with urllib.request.urlopen(request, timeout=120) as response:
            raw = response.read().decode()
        self.seconds.append(time.perf_counter() - begun)
        if self.stream:
            return joined(raw)
        said = json.loads(raw)
        self.prompt_tokens = max(self.prompt_tokens, said["usage"]["prompt_tokens"])
        return said["choices"][0]["message"]


def joined(raw: str) -> Message:
    """The message of a whole event stream."""
    content, calls = "", {}
    for line in raw.splitlines():
        if not line.startswith("data: {"):
            continue
        for choice in json.loads(line[6:]).get("choices", ()):
            delta = choice.get("delta", {})
            content += delta.get("content") or ""
            for part in delta.get("tool_calls") or ():
                call = calls.setdefault(part["index"], {"id": "", "name": "", "arguments": ""})
                call["id"] += part.get("id") or ""
                for name, text in (part.get("function") or {}).items():
                    call[name] += text or ""
    made = [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
        for call in calls.values()
    ]
    return {"role": "assistant", "content": content, "tool_calls": made}


def parsed(message: Message) -> tuple[str, list[tuple[str, Any]]]:
    calls = []
    for call in message.get("tool_calls") or ():
        arguments = call["function"]["arguments"]
        try:
            value = json.loads(arguments) if isinstance(arguments, str) else arguments
        except ValueError:
            value = arguments
        calls.append((call["function"]["name"], value))
    return (message.get("content") or "").strip(), calls


def play(server: Server, dialogue: Dialogue, right: Counter[str], total: Counter[str]) -> str:
    """Empty if the whole dialogue was right, else what was wrong."""
    history: list[Message] = []
    pending: list[str] = []
    steps = iter(dialogue.steps)
    for message in dialogue.messages:
        if message["role"] == "tool":
            history.append({**message, "tool_call_id": pending.pop(0)})
        elif message["role"] == "assistant":
            step = next(steps)
            total[step] += 1
            said = server.reply(history, dialogue.tools)
            if parsed(said) != parsed(message):
                return f"{step}: wanted {parsed(message)} got {parsed(said)}"
            right[step] += 1
            calls = said.get("tool_calls") or []
            pending = [call["id"] for call in calls]
            kept = {"role": "assistant", "content": said.get("content")}
            history.append(kept | {"tool_calls": calls} if calls else kept)
        else:
            history.append(message)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--model", default="selftest")
    parser.add_argument("--walks", type=int, default=20)
    parser.add_argument("--calls", type=int, default=42)
    parser.add_argument("--short", type=int, default=50)
    parser.add_argument("--seed", type=int, default=770_001)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--plain", action="store_true", help="walks with retries only: no pairs, recalls or notes")
    arguments = parser.parse_args()
    mix = RETRIES if arguments.plain else PROBE
    server = Server(arguments.url.rstrip("/"), arguments.model, arguments.stream)
    for kind, count in (("walks", arguments.walks), ("short", arguments.short)):
        rng, right, total, clean = random.Random(arguments.seed), Counter[str](), Counter[str](), 0
        server.seconds.clear()
        for number in range(count):
            wrong = play(
                server, probe_episode(rng, arguments.calls, mix) if kind == "walks" else sample(rng), right, total
            )
            clean += not wrong
            if wrong:
                print(f"{kind} {number}: {wrong[:600]}", flush=True)
        if count:
            median = sorted(server.seconds)[len(server.seconds) // 2] * 1000
            print(
                f"{kind}: {clean}/{count} clean, {sum(right.values())}/{sum(total.values())} replies right, "
                f"median {median:.0f} ms, longest prompt {server.prompt_tokens} tokens, "
                f"{json.dumps({step: [right[step], total[step]] for step in sorted(total)})}",
                flush=True,
            )


if __name__ == "__main__":
    main()
