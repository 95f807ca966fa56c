"""The shipped model in fewer bits, as GGUF: `python -m models.selftest.train.quantize --out DIR Q8_0 Q4_0`.

A folder a kind, with probe.json in it, for `stack probe --against`. Kinds are those that the gguf package can write.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from safetensors.torch import load_file

from models.selftest.train.gguf_file import write_gguf

HOME = Path(__file__).resolve().parent.parent


def quantize(out: Path, kind: str) -> Path:
    """The new file."""
    folder = out / kind.lower()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HOME / "probe.json", folder)
    config, tokens = (json.loads((HOME / name).read_text("utf-8")) for name in ("config.json", "tokenizer.json"))
    template = (HOME / "chat_template.jinja").read_text("utf-8")
    file = folder / "selftest.gguf"
    write_gguf(file, config, tokens, template, load_file(HOME / "model.safetensors"), kind)
    return file


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="+", help="Q8_0, Q5_0, Q4_0, ...")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    for kind in arguments.kinds:
        print(quantize(arguments.out, kind))
