"""The options of an engine, as its own --help lists them: asked once and kept by path, size and time.

A Python engine takes seconds to print its help, so only `ask` runs it (`stack engine install`, or a check of
`extra_args`); detection reads what is kept, or the list that ships with the package.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from importlib import resources

from orchestrator.core.engines import PROGRAMS, parse_help
from orchestrator.core.host import Engine
from orchestrator.edge import keep

TIMEOUT = 120


def kept(what: str, bin_: str) -> str | None:
    """What was kept about this very executable (path, size, time), or None."""
    try:
        return keep.get("engines", f"{what}:{keep.file_key(bin_)}")
    except OSError:
        return None


def remember(what: str, bin_: str, value: str) -> None:
    with contextlib.suppress(OSError):
        keep.put("engines", f"{what}:{keep.file_key(bin_)}", value)


def known(name: str, engine: Engine) -> tuple[str, ...]:
    """Flags without starting anything: kept from this executable's help, else the captured list of this very version;
    () = not known until the engine is asked."""
    if text := kept("help", engine.bin):
        return tuple(text.split())
    version, flags = captured(name)
    return flags if version == engine.version else ()


def ask(name: str, engine: Engine) -> tuple[str, ...]:
    """Flags from the executable's own help (seconds for a Python engine), kept from then on; () if it gives none."""
    if found := known(name, engine):
        return found
    found = _run(name, engine)
    if found:
        remember("help", engine.bin, " ".join(found))
    return found


def captured(name: str) -> tuple[str, tuple[str, ...]]:
    """(version, flags) of the list that ships with the package, for planning elsewhere; ("", ()) if there is none."""
    item = resources.files("orchestrator") / "engines" / "flags" / f"{name}.txt"
    if not item.is_file():
        return "", ()
    head, _, rest = item.read_text().partition("\n")
    return head.removeprefix("#").split()[-1], tuple(rest.split())


def shipped() -> dict[tuple[str, str], tuple[str, ...]]:
    """(backend, version) -> flags, of every list that ships with the package: for engines in container images."""
    folder = resources.files("orchestrator") / "engines" / "flags"
    names = sorted(item.name.removesuffix(".txt") for item in folder.iterdir() if item.name.endswith(".txt"))
    return {(name, version): flags for name in names for version, flags in (captured(name),)}


def _run(name: str, engine: Engine) -> tuple[str, ...]:
    # COLUMNS: argparse and rich wrap and cut options in a narrow terminal
    env = {**os.environ, "COLUMNS": "400", "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "TERM": "dumb"}
    argv = [engine.bin, *PROGRAMS[name].help]
    try:
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_help(done.stdout or done.stderr) if done.returncode == 0 else ()
