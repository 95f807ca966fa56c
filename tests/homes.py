"""A private home for a test, the `stack` command in it, and the end of whatever it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests import components

STACK = components.REPOSITORY / ".venv" / "bin" / "stack"
STARTERS = frozenset({"up", "serve", "load", "restart"})
GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Home:
    """env: the whole environment for a subprocess; work: an empty folder to stand in, for a stack.yaml.

    The real engines are visible: the environments under `stack/engines`, llama-server on PATH.
    """

    path: Path
    runtime: Path
    work: Path
    env: dict[str, str]

    @property
    def state(self) -> Path:
        return self.path / ".local/state/stack"

    def processes(self) -> list[psutil.Process]:
        """Live processes whose HOME is this one, whoever is their parent."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                alive = process.status() != psutil.STATUS_ZOMBIE
                if alive and process.pid != os.getpid() and process.environ().get("HOME") == str(self.path):
                    found.append(process)
        return found


@contextlib.contextmanager
def private_home(folder: Path) -> Iterator[Home]:
    """HOME, XDG folders and HF_HOME of its own under `folder`; the runtime folder is short (a socket's path is)."""
    path, work = folder / "home", folder / "work"
    engines = path / ".local/share/stack/engines"
    for new in (work, engines.parent, path / "bin", path / ".cache/huggingface/hub"):
        new.mkdir(parents=True)
    components.ENGINES_HOME.mkdir(parents=True, exist_ok=True)
    engines.symlink_to(components.ENGINES_HOME)
    if server := components.find("llama-server"):
        (path / "bin" / "llama-server").symlink_to(server)
    dropped = ("XDG_", "STACK_", "HF_", "VIRTUAL_ENV", "PYTHONPATH", "OPENAI_", "ANTHROPIC_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp", ignore_cleanup_errors=True) as runtime:
        env |= {
            "HOME": str(path),
            "XDG_STATE_HOME": str(path / ".local/state"),
            "XDG_DATA_HOME": str(path / ".local/share"),
            "XDG_CACHE_HOME": str(path / ".cache"),
            "XDG_CONFIG_HOME": str(path / ".config"),
            "XDG_RUNTIME_DIR": runtime,
            "HF_HOME": str(path / ".cache/huggingface"),
            "HF_HUB_OFFLINE": "1",
            "PATH": f"{path / 'bin'}:{STACK.parent}:{env['PATH']}",
        }
        yield Home(path, Path(runtime), work, env)


@dataclass
class Cli:
    """`.venv/bin/stack` in a private home. `close` runs `stack down` for all it started and ends what is left.

    prefix: words before the command, which make it run somewhere else."""

    home: Home
    timeout: float = 120.0
    prefix: tuple[str, ...] = ()
    _started: dict[tuple[str, ...], Path] = field(default_factory=dict)
    _background: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(
        self, *argv: str, cwd: Path | None = None, timeout: float | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; output goes through files, so that a detached daemon cannot hold us.

        Raises subprocess.TimeoutExpired with what was written by then.
        """
        process, files = self._launch(argv, cwd, env)
        limit = timeout or self.timeout
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            out, err = (file.read_text(errors="replace") for file in files)
            raise subprocess.TimeoutExpired(list(argv), limit, out, err) from None
        out, err = (file.read_text(errors="replace") for file in files)
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def start(self, *argv: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Background:
        """Run in the background, in a process group of its own; ended at the close if it still runs."""
        process, (out, err) = self._launch(argv, cwd, env)
        self._background.append(process)
        return Background(process, out, err)

    def _launch(
        self, argv: tuple[str, ...], cwd: Path | None, env: Mapping[str, str] | None
    ) -> tuple[subprocess.Popen[str], tuple[Path, Path]]:
        cwd = cwd or self.home.work
        if STARTERS & set(argv):
            self._started[_file_argument(argv)] = cwd
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.home.path))
        out, err = folder / "out", folder / "err"
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen(
                [*self.prefix, str(STACK), *argv],
                cwd=cwd,
                env=self.home.env | dict(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                text=True,
            )
        return process, (out, err)

    def close(self) -> list[str]:
        """What `stack down` left running (command lines); it is ended by then."""
        for process in self._background:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_S * 2)
            if process.poll() is None:
                process.kill()
                process.wait()
        for file, cwd in self._started.items():
            if cwd.is_dir() and self.home.processes():
                self("down", *file, cwd=cwd, timeout=60)
        return end(self.home)


@dataclass(frozen=True, slots=True)
class Background:
    process: subprocess.Popen[str]
    out: Path
    err: Path


def end(home: Home) -> list[str]:
    """Wait a moment for the home's processes to go, kill those that stay, and return their command lines."""
    deadline = time.monotonic() + GRACE_S
    while (left := home.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    lines = []
    for process in left:
        with contextlib.suppress(psutil.Error):
            lines.append(f"{process.pid} {' '.join(process.cmdline())[:200]}")
            process.kill()
    return lines


def _file_argument(argv: tuple[str, ...]) -> tuple[str, ...]:
    for index, word in enumerate(argv):
        if word in ("--file", "-f"):
            return argv[index : index + 2]
        if word.startswith("--file="):
            return (word,)
    return ()
