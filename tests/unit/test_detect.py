"""Detection of a machine, with programs of our own on PATH that print what the real ones print."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core.spec import BackendSettings, EngineChoice
from orchestrator.edge.host.detect import detect

Put = Callable[[str, str], Path]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """`put(name, script)` puts an executable on PATH, where nothing else but a shell is; private caches."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "HOME", "DOCKER_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("STACK_LLAMA_SERVER", "STACK_LLAMA_SWAP", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

    def one(name: str, script: str) -> Path:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return one


def test_a_bare_machine(put: Put) -> None:
    host = detect()
    assert host.memory > 2**28
    assert host.cores >= 1
    assert host.arch in ("x86_64", "arm64")
    assert (host.gpus, host.engines, host.docker, host.llama_swap, host.problems) == ((), {}, None, None, ())


def test_it_is_the_same_twice(put: Put) -> None:
    put("llama-server", 'echo "version: 42 (abc)"')
    assert detect() == detect()


def test_gpus(put: Put) -> None:
    put("nvidia-smi", 'echo "0, GPU-1, NVIDIA L4, 23034, 550.54.15, [N/A]"')
    assert [(gpu.name, gpu.memory) for gpu in detect().gpus] == [("NVIDIA L4", 23034 * 2**20)]


def test_a_driver_that_fails_is_a_problem_not_a_crash(put: Put) -> None:
    put("nvidia-smi", 'echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."; exit 9')
    host = detect()
    assert host.gpus == ()
    assert host.problems == (
        "nvidia-smi: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
    )


def test_mig_is_looked_up(put: Put) -> None:
    put(
        "nvidia-smi",
        'case "$1" in\n'
        '-L) echo "GPU 0: NVIDIA A100 (UUID: GPU-1)"; echo "  MIG 3g.20gb     Device  0: (UUID: MIG-2)";;\n'
        '*) echo "0, GPU-1, NVIDIA A100, 40960, 535.1, Enabled";;\nesac',
    )
    assert [(gpu.uuid, gpu.memory, gpu.mig) for gpu in detect().gpus] == [("MIG-2", 20 * 10**9, True)]


def test_docker_and_compose(put: Put, tmp_path: Path) -> None:
    put("docker", 'echo "Docker version 28.2.2, build e6534b4"')
    plugin = put("docker-compose", 'test "$2" = --short && echo 2.40.3')
    (tmp_path / "DOCKER_CONFIG/cli-plugins").mkdir(parents=True)
    plugin.rename(tmp_path / "DOCKER_CONFIG/cli-plugins/docker-compose")
    host = detect()
    assert (host.docker, host.compose, host.problems) == ("28.2.2", "2.40.3", ())


def test_a_docker_daemon_that_does_not_answer_is_a_problem(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("docker", 'echo "Docker version 28.2.2, build e6534b4"')
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    host = detect()
    assert host.docker == "28.2.2"
    assert host.problems == (f"docker: no daemon answers at unix://{tmp_path}/no.sock",)


def test_a_docker_daemon_that_answers_is_none(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("docker", 'echo "Docker version 28.2.2, build e6534b4"')
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("d.sock")
        server.listen()
        monkeypatch.setenv("DOCKER_HOST", "unix://d.sock")
        thread = threading.Thread(target=_pong, args=(server,))
        thread.start()
        assert detect().problems == ()
        thread.join()


def _pong(server: socket.socket) -> None:
    client, _ = server.accept()
    with client:
        client.recv(1024)
        client.sendall(b"HTTP/1.0 200 OK\r\n\r\nOK")


def test_a_native_engine_is_asked_for_its_version_and_flags(put: Put) -> None:
    path = put("llama-server", 'case "$1" in --version) echo "version: 42 (abc)" >&2;; *) echo "--jinja   on";; esac')
    engine = detect().engines["llama-cpp"]
    assert (engine.bin, engine.version, engine.found, engine.flags) == (str(path), "42", "PATH", ("--jinja",))


def test_a_variable_comes_before_path(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("llama-server", "echo version: 1")
    other = put("other", "echo version: 2")
    monkeypatch.setenv("STACK_LLAMA_SERVER", str(other))
    monkeypatch.setenv("STACK_LLAMA_SWAP", str(other))
    host = detect()
    assert host.engines["llama-cpp"].version == "2"
    assert host.llama_swap is not None
    assert (host.llama_swap.version, host.llama_swap.found) == ("2", "STACK_LLAMA_SWAP")


def _python_engine(root: Path, version: str, *, complete: bool = True) -> Path:
    """An environment as `stack engine install` leaves it; its program must never be started."""
    (root / "bin").mkdir(parents=True)
    (root / f"lib/python3.11/site-packages/mlx_lm-{version}.dist-info").mkdir(parents=True)
    script = root / "bin/mlx_lm.server"
    script.write_text(f"#!{root}/bin/python\nraise SystemExit('started')\n")
    script.chmod(0o755)
    if complete:
        (root / ".complete").write_text("{}")
    return script


def test_our_own_environments_newest_first(put: Put, tmp_path: Path) -> None:
    home = tmp_path / "XDG_DATA_HOME/stack/engines"
    _python_engine(home / "mlx-lm-0.9.0", "0.9.0")
    newest = _python_engine(home / "mlx-lm-0.32.2", "0.32.2")
    _python_engine(home / "mlx-lm-0.40.0", "0.40.0", complete=False)
    engine = detect().engines["mlx-lm"]
    assert (engine.bin, engine.version, engine.found) == (str(newest), "0.32.2", "stack engine install")
    assert "--max-tokens" in engine.flags, "the list that ships is of this very version"


def test_a_pinned_version_is_looked_for(put: Put, tmp_path: Path) -> None:
    home = tmp_path / "XDG_DATA_HOME/stack/engines"
    old = _python_engine(home / "mlx-lm-0.9.0", "0.9.0")
    _python_engine(home / "mlx-lm-0.32.2", "0.32.2")
    settings = {"mlx-lm": BackendSettings(engine=EngineChoice(version="0.9.0"))}
    assert detect(settings).engines["mlx-lm"].bin == str(old)
    absent = {"mlx-lm": BackendSettings(engine=EngineChoice(version="7"))}
    assert detect(absent).engines["mlx-lm"].version == "0.32.2", "the plan says that it is another"


def test_a_python_engine_on_path_tells_its_version_by_its_metadata(put: Put, tmp_path: Path) -> None:
    script = _python_engine(tmp_path / "tool", "0.33.0")
    os.symlink(script, tmp_path / "bin/mlx_lm.server")
    engine = detect().engines["mlx-lm"]
    assert (engine.version, engine.found) == ("0.33.0", "PATH")
    assert engine.flags == (), "another version's list is not taken for its own"


@pytest.mark.parametrize(
    "head", ["#!{root}/bin/python3.11\n", '#!/bin/sh\n\'\'\'exec\' "{root}/bin/python" "$0" "$@"\n']
)
def test_a_copied_script_tells_by_its_interpreter(put: Put, tmp_path: Path, head: str) -> None:
    root = tmp_path / "a folder"
    _python_engine(root, "0.33.0")
    copy = put("mlx_lm.server", "")
    copy.write_text(head.format(root=root))
    assert detect().engines["mlx-lm"].version == "0.33.0"


def test_a_bin_in_stack_yaml_comes_first_and_is_not_made_up_for(put: Put, tmp_path: Path) -> None:
    put("llama-server", "echo version: 1")
    mine = put("mine", "echo version: 3")
    found = detect({"llama-cpp": BackendSettings(engine=EngineChoice(bin=str(mine)))}).engines["llama-cpp"]
    assert (found.version, found.found) == ("3", "backends.llama-cpp.engine.bin")
    host = detect({"llama-cpp": BackendSettings(engine=EngineChoice(bin="/no/such"))})
    assert "llama-cpp" not in host.engines
    assert host.problems == ("backends.llama-cpp.engine.bin: /no/such is no executable file",)
