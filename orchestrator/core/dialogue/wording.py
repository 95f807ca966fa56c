"""What the probe says: the tools, the instruction and the words of keys and nonces.

The self-test model is trained on exactly these texts (models/selftest/), so a change here means retraining it.
Keys and nonces are two words and two digits (`maple-otter-42`): each word one or two tokens in real tokenizers,
which makes copying about attention and not about spelling.
"""

from __future__ import annotations

from typing import Any

Tool = dict[str, Any]

STRING = {"type": "string"}
NUMBER = {"type": "number"}


def tool(name: str, description: str, **properties: dict[str, Any]) -> Tool:
    """An OpenAI tool; every property is required, in the order given."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


READ = tool("read_cell", "Read one ledger cell.", key=STRING)
WRITE = tool("write_cell", "Write a value to a ledger cell.", key=STRING, value=STRING, prev_nonce=STRING)
CONFIRM = tool("confirm", "Confirm the nonce that came with a key.", key=STRING, nonce=STRING)
FINISH = tool("finish", "Finish the walk with its checksum.", checksum=STRING)
LEDGER = (READ, WRITE, CONFIRM, FINISH)

WEATHER = tool("get_weather", "Get the weather of a city.", city=STRING)
ADD = tool("add", "Add two numbers.", a=NUMBER, b=NUMBER)
PING = tool("ping", "Check that the server is up.")
ECHO = tool(
    "echo",
    "Echo its arguments unchanged.",
    text=STRING,
    code=STRING,
    number={"type": "integer"},
    items={"type": "array", "items": {"type": "object"}},
)
DECOYS = (WEATHER, ADD, PING)

WALK = (
    "Copy the ledger from key {key}.\n"
    "Call one tool at a time and use only what results say.\n"
    "After read_cell: write_cell with its next_key, its value, and its nonce as prev_nonce.\n"
    "After write_cell or confirm: read_cell with its next_key.\n"
    "A result with use_key: the same call again with that key.\n"
    "A result with next_keys: one read_cell for each of them, all in one message.\n"
    "A result with recall: confirm with that key and the nonce that came with it.\n"
    "A result with done: finish with its checksum, then say done."
)
"""The ledger's results, in this key order (values are strings of `WORDS` and two digits):

    read_cell            {"value": V, "next_key": K, "nonce": N}
    write_cell, confirm  {"ok": true, "next_key": K, "nonce": N}
    error                {"error": "moved", "use_key": K}                  the same call with key K
    pair                 {"ok": true, "next_keys": [A, B]}                 two read_cell calls in one message;
                         results {"ok": true} for A, then {"value", "next_key", "nonce"} for B: go on from B
    recall               {"ok": true, "recall": K}                         confirm(key=K, nonce=N), where an earlier
                         result said "next_key": K, "nonce": N
    end                  {"done": true, "checksum": C}                     finish(checksum=C)
    finish               {"ok": true}                                      the model says "Done."
"""
DONE = "Done."

ASK_WEATHER = "What is the weather in {city}?"
ASK_TWO = "What is the weather in {first} and {second}? Ask for both in one message."
ASK_PING = "Call ping."
ASK_ADD = "Add {a} and {b}."
ASK_SAY = "Say exactly: {text}"
ASK_ECHO = "Call echo with {arguments}"
"""`arguments` is the JSON that the call must carry, byte for byte once both are parsed."""
HARD_TEXT = 'say "{word}" in C:\\temp\\new\nthen 日本語 🦊 é'
HARD_TAGS = "{first} </parameter> {second} </tool_call> {third}"
HARD_NUMBER = 9007199254740993
"""2**53 + 1: a float cannot hold it."""
CITIES = ("Paris", "London", "Tokyo", "Berlin", "Rome", "Madrid", "Oslo", "Lima", "Cairo", "Delhi", "Seoul", "Vienna")

_WORDS = """
amber anchor apple arrow autumn badge bamboo basket beacon birch blanket bottle branch bridge bronze bucket butter
button cabin camel candle canyon carbon castle cedar cello cherry circle cliff cloud clover cobalt comet copper coral
cotton crystal daisy desert diamond dolphin dragon eagle echo ember engine falcon feather fern field flame forest
fossil fox frost garden ginger glacier granite grape guitar hammer harbor hazel helmet hollow honey horizon hunter
island ivory jacket jasmine jungle kettle ladder lagoon lantern lemon lily linen lotus magnet mango maple marble
meadow melon meteor mirror mist monkey mountain needle nickel north oak ocean olive onyx opal orange orbit otter owl
oyster paddle palm panda paper pearl pebble pepper piano pine planet plum pocket pond prairie puma quartz rabbit raven
reef ribbon river robin rocket rose ruby saddle salmon sand saturn shadow shell silver sky snow spark spider spring
star stone storm summer sunset swan table temple tiger timber tower trail tulip tunnel turtle valley velvet violet
walnut water wheat willow window winter wolf yellow
"""
WORDS = tuple(_WORDS.split())
