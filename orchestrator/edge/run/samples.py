"""The smallest things that an engine can be asked to see and to hear, made here."""

from __future__ import annotations

import base64
import io
import math
import struct
import wave
import zlib

SIDE = 64
"""Pixels: engines cut a picture into patches of 14 to 32, and some refuse one that is smaller than two of them."""
RATE, SECONDS = 16_000, 1.0
"""Speech models take 16,000 samples a second, and refuse what is shorter than a tenth of one."""


def image() -> str:
    """A red square as a PNG, in a data URL."""
    rows = (b"\0" + b"\xff\0\0" * SIDE) * SIDE
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return "data:image/png;base64," + base64.b64encode(png).decode()


def sound() -> bytes:
    """A second of a soft tone, as a WAV file."""
    count = int(RATE * SECONDS)
    tone = (int(3000 * math.sin(2 * math.pi * 440 * i / RATE)) for i in range(count))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(struct.pack(f"<{count}h", *tone))
    return file.getvalue()
