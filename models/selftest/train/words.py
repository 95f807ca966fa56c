"""Random strings: keys and nonces as the probe makes them, plain text, and payloads that are hard to copy."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from orchestrator.core.dialogue.wording import HARD_NUMBER, HARD_TAGS, HARD_TEXT, WORDS

_COMMON = (
    "the a of to and in is it you that for on are with as be this have from or one by not what all were when your can "
    "said there use an each which do how if will up other about out many then them these so some would make like into "
    "time has look two more write go see number way people my than first been call who its now find long down day get "
    "come made may part answer helpful assistant tool function short exactly please always never only careful follow "
    "steps test health probe server local model agent system check report return result value list name file text data "
    "query user task run read next last until end start begin must required provided available functions tools respond "
    "message no extra padding filler line lorem ipsum dolor sit amet note unused city two key cell"
)
COMMON = tuple(_COMMON.split())
MARKS = (*"\"\\'\n\t/{}[]<>&%$`:,éüßñ",)
TAGS = (
    "</tool_call>",
    "</parameter>",
    "<tool_call>",
    "</function>",
    "<b>",
    "</tools>",
    "<|x|>",
    "```",
    "${HOME}",
    "%n",
)
RANGES = ((0x4E00, 0x9FA0), (0x3041, 0x3097), (0x1F300, 0x1F64F), (0x1F680, 0x1F6C5), (0xAC00, 0xD7A4), (0x410, 0x450))
ASCII = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def name(rng: random.Random, words: list[str] | None = None) -> str:
    """`maple-otter-42`; takes its words from the end of `words` when given."""
    first, second = (words.pop(), words.pop()) if words else rng.sample(WORDS, 2)
    return f"{first}-{second}-{rng.randrange(100):02d}"


def chars(rng: random.Random, low: int, high: int, alphabet: str = ASCII) -> str:
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high)))


def namer(rng: random.Random, odd: float) -> Callable[[int], list[str]]:
    """A maker of `n` keys at a time, mostly probe names with no word twice; `odd` = share of other shapes."""
    if rng.random() < odd:
        alphabet = rng.choice(["0123456789abcdef", "0123456789", ASCII])
        shapes = (
            lambda: chars(rng, 5, 6, alphabet),
            lambda: "-".join(rng.sample(WORDS, 2)),
            lambda: f"{rng.choice(WORDS)}_{rng.randrange(1000)}",
        )
        pick = rng.choice(shapes)
        return lambda n: [pick() for _ in range(n)]
    apart = rng.random() < 0.7
    return lambda n: [name(rng, words) for words in [rng.sample(WORDS, 2 * n) if apart else None] for _ in range(n)]


def prose(rng: random.Random, low: int, high: int) -> str:
    """`low` to `high` words, half of the time as a sentence."""
    pool = rng.choice([COMMON, WORDS, (*COMMON, *WORDS)])
    text = " ".join(rng.choice(pool) for _ in range(rng.randint(low, high)))
    return text[0].upper() + text[1:] + rng.choice([".", "!", ""]) if rng.random() < 0.5 else text


def integer(rng: random.Random) -> int:
    """Small ones, and those around the limits of 53 and 64 bits."""
    low, high = rng.choice([(0, 99), (0, 99999), (-999, -1), (0, 2**63 - 1), (2**60, 2**63 - 1), (-(2**63), -(2**60))])
    return rng.choice([rng.randint(low, high)] * 6 + [2**53 + rng.randint(0, 9), 2**63 - 1])


def piece(rng: random.Random, glyphs: list[str]) -> str:
    word, common = rng.choice(WORDS), rng.choice(COMMON)
    plain = (word, common, common, chars(rng, 1, 5), str(rng.randint(0, 999)), rng.choice(glyphs))
    hard = (
        rng.choice(MARKS),
        rng.choice(MARKS),
        rng.choice(TAGS),
        rng.choice(TAGS[:2]),
        f'"{common}"',
        f"C:\\{word}\\{common}",
    )
    return rng.choice(plain + hard)


def nasty(rng: random.Random) -> str:
    """Text with quotes, backslashes, newlines, emoji, CJK and closing tags between words."""
    low, high = rng.choice(RANGES)
    glyphs = [chr(rng.randrange(low, high)) for _ in range(rng.randint(1, 3))]
    return rng.choice([" ", " ", ""]).join(piece(rng, glyphs) for _ in range(rng.randint(1, 9)))


def scalar(rng: random.Random) -> Any:
    texts = (nasty(rng), rng.choice(WORDS), name(rng), f"{rng.randint(0, 999):05d}")
    numbers = (rng.randint(0, 99), integer(rng), round(rng.uniform(-9, 99), 2))
    nested = ([rng.randint(0, 9) for _ in range(rng.randint(0, 3))], {rng.choice(COMMON): rng.choice(WORDS)})
    return rng.choice([*texts, *numbers, *nested, True, False, None])


def key(rng: random.Random) -> str:
    return rng.choice([*"abcdnxyz", "id", "key", "tag", rng.choice(COMMON)])


def probe_payload(rng: random.Random) -> str:
    """The probe's own payloads, with other words and numbers."""
    first, second, third = rng.sample(WORDS, 3)
    text = rng.choice([HARD_TEXT.format(word=first), HARD_TAGS.format(first=first, second=second, third=third)])
    items = rng.choice([[], [{"id": f"{rng.randint(0, 999):05d}", "list": [1, 2, 3]}, {"a": {"b": None}}]])
    code, number = rng.choice(["00123", f"{rng.randint(0, 999):05d}"]), rng.choice([HARD_NUMBER, integer(rng)])
    return json.dumps({"text": text, "code": code, "number": number, "items": items}, ensure_ascii=False)


def payload(rng: random.Random) -> str:
    """JSON text of arguments for `echo`."""
    if rng.random() < 0.3:
        return probe_payload(rng)
    text = nasty(rng) if rng.random() < 0.8 else rng.choice([name(rng), prose(rng, 1, 6)])
    code = rng.choice([f"{rng.randint(0, 999):05d}", chars(rng, 3, 8, "0123456789"), name(rng), nasty(rng)])
    items = [{key(rng): scalar(rng) for _ in range(rng.randint(1, 3))} for _ in range(rng.choice([0, 1, 1, 2, 2, 3]))]
    full = {"text": text, "code": code, "number": integer(rng), "items": items}
    if rng.random() < 0.25:
        chosen = rng.sample(list(full), rng.randint(1, 4))
        full = {part: full[part] for part in chosen}
    return json.dumps(full, ensure_ascii=rng.random() < 0.25)
