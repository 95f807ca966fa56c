"""Fixtures of every kind of test: the self-test model, free ports, private homes, real components."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import components, dockers, homes, names, nixes, systemds
from tests.fake_stack import FakeStack, Make

# a busy machine is no finding
settings.register_profile("stack", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fast", settings.get_profile("stack"), max_examples=25)  # of `make check`
settings.load_profile("stack")
REQUIRED = frozenset(filter(None, os.environ.get("STACK_TEST_REQUIRE", "").split(",")))


def need(name: str) -> Path:
    """The executable of a real component; a missing one skips the test, or fails it where CI requires it."""
    if found := components.find(name):
        return found
    reason = f"{name} is not here: {components.how_to_get(name)}"
    if name in REQUIRED:
        pytest.fail(f"{reason} (STACK_TEST_REQUIRE names it)", pytrace=False)
    pytest.skip(reason)


def pytest_configure(config: pytest.Config) -> None:
    # a shell starts what runs in the background with SIGINT ignored, and children inherit that: Ctrl-C is tested here
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if unknown := REQUIRED - set(components.NAMES):
        raise pytest.UsageError(f"STACK_TEST_REQUIRE: no component is called {', '.join(sorted(unknown))}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first (with `--no-loadscope-reorder`): no worker waits long for another's last file."""
    slow = ("vllm-mlx", "mlx-lm", "docker", "systemd")
    rank: dict[Path, int] = {}
    for item in items:
        names = {name for marker in item.iter_markers("component") for name in marker.args}
        own = min((slow.index(name) for name in names & set(slow)), default=len(slow))
        rank[item.path] = min(rank.get(item.path, len(slow)), own)
    items.sort(key=lambda item: (rank[item.path], "e2e" not in item.path.parts))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("component"):
        for name in marker.args:
            need(name)


@pytest.fixture
def require() -> Callable[[str], Path]:
    """`require("mlx-lm")` is the path of its executable; skips, or fails in CI, where it is missing."""
    return need


@pytest.fixture(scope="session")
def selftest_model() -> Path:
    """The folder of the self-test model (safetensors)."""
    return components.REPOSITORY / "models" / "selftest"


@pytest.fixture(scope="session")
def selftest_gguf(selftest_model: Path) -> Path:
    """The same model as one GGUF file."""
    return selftest_model / "selftest.gguf"


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Each call gives another port that nobody listened on when it was asked."""
    given: set[int] = set()

    def one() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in given:
                given.add(port)
                return port

    return one


@pytest.fixture(scope="session")
def dockerd() -> Iterator[dockers.Dockerd]:
    """A docker daemon of these tests' own, with an image of engines."""
    need("docker")
    with dockers.running() as daemon:
        yield daemon


@pytest.fixture
def docker(dockerd: dockers.Dockerd, monkeypatch: pytest.MonkeyPatch) -> Iterator[dockers.Dockerd]:
    """It, running, as the docker of this test; what the test leaves there is removed."""
    if not dockerd.running:
        dockerd.start()
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    yield dockerd
    if not dockerd.running:
        dockerd.start()
    dockerd.clear()


@pytest.fixture(scope="session", params=["nix", "nix-trixie"])
def nix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[nixes.Nix]:
    """Nix, this machine's and a newer one, with a store of these tests' own, on a copy of our flake."""
    command = need(request.param)
    folder = tmp_path_factory.mktemp("nix")
    yield nixes.make(folder, command)
    nixes.unlocked(folder)


@pytest.fixture
def one_try() -> Iterator[None]:
    """`stack try` looks for a free port, and starts an engine there later: one test of it at a time."""
    with names.alone("try"):
        yield


@pytest.fixture
def stack_home(tmp_path: Path) -> Iterator[homes.Home]:
    """A private HOME with XDG folders, HF_HOME and a short runtime folder; real engines are visible in it."""
    with homes.private_home(tmp_path) as home:
        yield home
        homes.end(home)


@pytest.fixture
def stack_cli(stack_home: homes.Home) -> Iterator[homes.Cli]:
    """`stack_cli("plan", "--json")` runs `.venv/bin/stack` in the private home.

    At the end `stack down` runs; the test fails if that leaves a process.
    """
    cli = homes.Cli(stack_home)
    yield cli
    left = cli.close()
    assert not left, "`stack down` left running:\n" + "\n".join(left)


@pytest.fixture
def systemd_user(stack_home: homes.Home) -> Iterator[systemds.UserManager]:
    """A systemd of this test's own user, in its private home."""
    need("systemd")
    for usual in (".config", ".local/state"):
        (stack_home.path / usual).mkdir(parents=True)
    with systemds.running(stack_home) as user:
        yield user


@pytest.fixture
def systemd_cli(systemd_user: systemds.UserManager) -> Iterator[homes.Cli]:
    """`stack_cli` beside that systemd: what it says of pids is as that one counts them."""
    cli = homes.Cli(systemd_user.home, prefix=systemd_user.inside())
    yield cli
    done = cli("down")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def fake_stack(stack_cli: homes.Cli, selftest_gguf: Path, free_port: Callable[[], int]) -> Make:
    """`fake_stack("--exit-at-once", model={...}, top={...})`: a written stack.yaml on fake engines."""

    def make(*options: str, **changes: Any) -> FakeStack:
        made = FakeStack(stack_cli, selftest_gguf, free_port(), free_port(), list(options), **changes)
        made.write()
        return made

    return make


@pytest.fixture
def systemd_stack(systemd_cli: homes.Cli, selftest_gguf: Path, free_port: Callable[[], int]) -> Make:
    """`fake_stack` under that systemd: `service: login` unless `top` says otherwise."""

    def make(*options: str, top: dict[str, Any] | None = None, **changes: Any) -> FakeStack:
        made = FakeStack(systemd_cli, selftest_gguf, free_port(), free_port(), list(options), **changes)
        made.top = {"service": "login"} | (top or {})
        made.write()
        return made

    return make
