"""Short dialogues: weather, ping, add, echo, say exactly, greetings, and questions for which no tool is offered."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from models.selftest.train.chat import Dialogue
from models.selftest.train.toolbox import unknown
from models.selftest.train.words import key, name, nasty, payload, prose, scalar
from orchestrator.core.dialogue import wording
from orchestrator.core.dialogue.wording import Tool

NO_TOOL = "I have no tool for that."
OTHER_CITIES = ("Boston", "Prague", "Lisbon", "Athens", "Kyoto", "Sydney", "Warsaw", "Milan", "New York", "Quito")
CITIES = (*wording.CITIES, *OTHER_CITIES)
HELLO = ("hello", "Hello", "Hello!", "hi", "Hi!", "hey", "Hello there", "hello world", "Say hello.", "Say hi.")
READY = ("How are you?", "Are you there?", "Are you ok?", "test", "ping?", "Are you ready?")
TOO_MUCH = ("Tell me a joke.", "Write a poem.", "Write a story.", "Tell me a story.", "Count to ten.")
GREETINGS = (
    (HELLO, "Hello! I am a small self-test model."),
    (("Who are you?", "What are you?", "What is your name?"), "I am a small self-test model."),
    (("Thanks", "Thank you", "Thanks!", "thank you."), "You are welcome."),
    (READY, "I am ready."),
    (("Bye", "Goodbye", "bye!"), "Goodbye."),
    (TOO_MUCH, "I am too small for that."),
)


@dataclass
class Needs:
    """What a dialogue wants of the list of tools: names it calls, tools of its own, names that must be absent."""

    names: list[str] = field(default_factory=list)
    special: list[Tool] = field(default_factory=list)
    banned: set[str] = field(default_factory=set)


def phrase(rng: random.Random, exact: str, others: tuple[str, ...]) -> str:
    """The probe's wording three times out of four."""
    return exact if rng.random() < 0.75 else rng.choice(others)


def weather_result(rng: random.Random, city: str) -> object:
    degrees, sky = rng.randint(-9, 40), rng.choice(["sunny", "rain", "cloudy", "snow", "fog", "clear"])
    whole = ({"city": city, "temperature": degrees, "sky": sky}, {"city": city, "weather": sky, "celsius": degrees})
    less = (
        {"temp_c": degrees, "sky": sky},
        {"weather": sky},
        {"city": city, "celsius": degrees},
        {"city": city, "sky": sky},
    )
    return rng.choice([*whole, *less, f"{degrees} C, {sky}", sky, {"ok": True}])


def weather(rng: random.Random, out: Dialogue) -> Needs:
    cities = rng.sample(CITIES, rng.choice([1, 1, 2]))
    if len(cities) == 1:
        others = (
            "weather in {city}",
            "How is the weather in {city} today?",
            "Get the weather of {city}.",
            "Weather in {city}, please.",
            "What's the weather in {city}?",
            "Call get_weather for {city}.",
        )
        out.user(phrase(rng, wording.ASK_WEATHER, others).format(city=cities[0]))
    else:
        two = (
            "What is the weather in {first} and {second}?",
            "Get the weather of {first} and {second}.",
            "weather in {first} and in {second}",
            "Call get_weather for {first} and {second}, both in one message.",
        )
        out.user(phrase(rng, wording.ASK_TWO, two).format(first=cities[0], second=cities[1]))
    if rng.random() < 0.15:
        out.says(NO_TOOL, "no_tool")
        return Needs(banned={"get_weather"})
    out.calls([("get_weather", {"city": city}) for city in cities], "weather" if len(cities) == 1 else "weather_two")
    for city in cities:
        out.result(weather_result(rng, city))
    out.says(f"That is the weather in {' and '.join(cities)}.", "plain")
    return Needs(["get_weather"])


def number(rng: random.Random) -> int | float:
    whole = rng.randint(*rng.choice([(0, 9), (0, 99), (0, 999), (0, 99999), (-99, -1)]))
    return rng.choice([whole, whole, whole, round(rng.uniform(0, 99), 1), round(rng.uniform(0, 9), 2)])


def add(rng: random.Random, out: Dialogue) -> Needs:
    a, b = number(rng), number(rng)
    others = ("What is {a} + {b}?", "add {a} and {b}", "Sum of {a} and {b}?", "Call add with a={a} b={b}.")
    out.user(phrase(rng, wording.ASK_ADD, others).format(a=a, b=b))
    out.calls([("add", {"a": a, "b": b})], "add")
    total = round(a + b, 2)
    out.result(rng.choice([{"sum": total}, {"result": total}, str(total), {"a": a, "b": b, "sum": total}]))
    out.says(f"The sum is {total}.", "plain")
    return Needs(["add"])


def ping(rng: random.Random, out: Dialogue) -> Needs:
    out.user(phrase(rng, wording.ASK_PING, ("ping", "Ping the server.", "Please call ping.", "Call the tool ping.")))
    out.calls([("ping", {})], "ping")
    out.result(rng.choice(["pong", {"ok": True}, {"pong": True}, {"status": "ok"}, "ok", {}]))
    out.says("The ping worked.", "plain")
    return Needs(["ping"])


def echo(rng: random.Random, out: Dialogue) -> Needs:
    text = payload(rng)
    out.user(
        phrase(
            rng,
            wording.ASK_ECHO,
            ("call echo with {arguments}", "Call echo with arguments {arguments}", "Use echo with {arguments}"),
        ).replace("{arguments}", text)
    )
    out.calls([("echo", text)], "echo")
    if rng.random() < 0.6:
        out.result(rng.choice(["ok", {"ok": True}, {"echo": "ok"}, {}]))
        out.says("The echo worked.", "plain")
    return Needs(["echo"])


def named_call(rng: random.Random, out: Dialogue) -> Needs:
    """A tool never seen before, called with the arguments that the user gives."""
    args = {key(rng): scalar(rng) for _ in range(rng.randint(0, 3))}
    made = unknown(rng, {each: {"type": "string"} for each in args})
    called = made["function"]["name"]
    text = json.dumps(args, ensure_ascii=False)
    out.user(f"Call {called}." if not args else f"Call {called} with {text}")
    out.calls([(called, text)], "named")
    out.result(rng.choice(["ok", {"ok": True}, {"result": name(rng)}, prose(rng, 1, 5)]))
    out.says("The call worked.", "plain")
    return Needs(special=[made])


def say(rng: random.Random, out: Dialogue) -> Needs:
    names = " ".join(name(rng) for _ in range(rng.randint(1, 9)))
    words = " ".join(rng.sample(wording.WORDS, 3))
    text = rng.choice([name(rng), prose(rng, 1, 8), prose(rng, 1, 40), nasty(rng), "ok", "pong", words, names]).strip()
    others = ("Say {text}", "Repeat: {text}", "Reply with {text}", "Say exactly {text}")
    out.user(phrase(rng, wording.ASK_SAY, others).replace("{text}", text))
    out.says(text, "say")
    return Needs()


def greeting(rng: random.Random, out: Dialogue) -> Needs:
    asked, answer = rng.choices(GREETINGS, [5, 2, 1, 2, 1, 1])[0]
    out.user(rng.choice(asked))
    out.says(answer, "greeting")
    return Needs()


def no_tool(rng: random.Random, out: Dialogue) -> Needs:
    """The probe's questions where the tool is not in the list."""
    kind = rng.choice(["get_weather", "get_weather", "add", "ping", "echo"])
    asked = {
        "get_weather": wording.ASK_WEATHER.format(city=rng.choice(CITIES)),
        "add": wording.ASK_ADD.format(a=number(rng), b=number(rng)),
        "ping": wording.ASK_PING,
        "echo": wording.ASK_ECHO.replace("{arguments}", payload(rng)),
    }[kind]
    out.user(asked)
    out.says(NO_TOOL, "no_tool")
    return Needs(banned={kind})


MAKERS: dict[Callable[[random.Random, Dialogue], Needs], float] = {
    weather: 0.22, add: 0.12, ping: 0.07, echo: 0.24, named_call: 0.05, say: 0.15, greeting: 0.06, no_tool: 0.12
}  # fmt: skip
"""How often each kind of task comes (relative weights)."""


def short(rng: random.Random, out: Dialogue) -> Needs:
    maker = rng.choices(list(MAKERS), list(MAKERS.values()))[0]
    return maker(rng, out)
