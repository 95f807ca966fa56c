"""A docker daemon of the tests' own: private folders, socket and bridge, no iptables, an image built from this machine.

Published ports reach a container through docker's proxy, so several such daemons, and a real one, live side by side.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from orchestrator.core.backends.vllm import BACKEND as VLLM_BACKEND
from tests import components
from tests.plans import ENGINE

IMAGE = "stack-test/engine:1"
LLAMA_IMAGE = "stack-test/llama.cpp:server-b1"
"""The same, with llama-server as entry point, as llama.cpp's own images have it."""
VLLM_IMAGE = VLLM_BACKEND.image
"""The same, tagged as the plan expects; its `vllm serve` is the fake engine, which ends where it sees no weights."""
VLLM = """#!/usr/bin/python3
import os, sys
def after(flag): return sys.argv[sys.argv.index(flag) + 1]
os.stat(sys.argv[2] + "/config.json")
print("GPUs:", os.environ["NVIDIA_VISIBLE_DEVICES"], flush=True)
own = ["--host", after("--host"), "--port", after("--port"), "--model", after("--served-model-name"), "--strict-model"]
os.execv(sys.executable, [sys.executable, "-u", "/srv/engine.py", *own])
"""
SMI = """#!/bin/sh
case "$1" in
*memory.free*) printf '0, 24000\\n1, 24000\\n' ;;
*) printf '0, GPU-aaaa, Card, 24564, 560.1, [N/A]\\n1, GPU-bbbb, Card, 24564, 560.1, [N/A]\\n' ;;
esac
"""
"""nvidia-smi of a machine with two cards."""
PYTHON = "/usr/bin/python3"
FAKE = "/srv/engine.py"
LLAMA = "/usr/bin/llama-server"
CURL = "/usr/bin/curl"
"""Paths in the image."""
TOOLS = "/usr/sbin:/sbin"
DROPPED = {"site-packages", "test", "idlelib", "tkinter", "lib2to3", "ensurepip", "__pycache__", "turtledemo"}
HOOK = "nvidia-container-runtime-hook"
"""dockerd accepts GPU reservations where it finds this on its PATH; runc runs it before the container starts."""


STARTS = 3
"""Tries to start: after one that was killed the next may not have it all to itself at once."""


class Dockerd:
    """`start`, `stop`, `kill` and `start` again: images and containers stay."""

    def __init__(self, folder: Path, bridge: str) -> None:
        self._pool = f"10.{214 + os.getpid() // 256 % 32}.{os.getpid() % 16 * 16}.0/20"  # of further networks
        self.socket = folder / "d.sock"
        self.host = f"unix://{self.socket}"
        self.env = os.environ | {"DOCKER_HOST": self.host, "DOCKER_CONFIG": str(folder / "config")}
        self.log = folder / "log"
        self._folder = folder
        self._bridge = bridge
        self._process: subprocess.Popen[bytes] | None = None
        hook = folder / "bin" / HOOK
        hook.parent.mkdir()
        hook.write_text("#!/bin/sh\nexit 0\n")
        hook.chmod(0o755)

    def start(self, *, gpus: bool = True) -> None:
        executable = components.find("docker")
        assert executable
        folder = self._folder
        path = f"{os.environ['PATH']}:{TOOLS}"
        argv = [str(executable), "--host", self.host, "--data-root", str(folder / "data")]
        argv += ["--exec-root", str(folder / "exec"), "--pidfile", str(folder / "pid"), "--bridge", self._bridge]
        argv += ["--default-address-pool", f"base={self._pool},size=24"]
        argv += ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
        env = os.environ | {"PATH": f"{folder / 'bin'}:{path}" if gpus else path}
        for _ in range(STARTS):
            with self.log.open("ab") as out:
                # a group of its own: Ctrl-C in the tests' terminal is not for it
                self._process = subprocess.Popen(argv, stdout=out, stderr=out, env=env, start_new_session=True)
            if self._answers():
                return
            self._process.kill()
            self._process.wait()
        raise RuntimeError(f"dockerd does not come up:\n{self.log.read_text()[-2000:]}")

    def _answers(self) -> bool:
        """Its socket is there before it can do anything: a dockerd that finds the last one's containerd still going may
        end after it has listened."""
        assert self._process is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
                probe.settimeout(5)
                probe.connect(str(self.socket))
                probe.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
                if probe.recv(64).split()[1:2] == [b"200"]:
                    return True
            time.sleep(0.1)
        return False

    def stop(self) -> None:
        """As `systemctl stop docker`: its containers end with it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        import docker

        client = docker.DockerClient(base_url=self.host)
        try:
            yield client
        finally:
            client.close()

    def containers(self, stack: str) -> list[str]:
        """Names of a stack's containers, running or not."""
        with self.client() as client:
            return [one.name for one in client.containers.list(all=True, filters={"label": f"stack.name={stack}"})]

    def environ(self, name: str) -> dict[str, str]:
        """The environment that a container's first process was started with."""
        with self.client() as client:
            pid = client.containers.get(name).attrs["State"]["Pid"]
        pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        return dict(pair.split("=", 1) for pair in pairs if pair)

    def clear(self) -> None:
        """Removes all containers, and networks: a bridge of this machine each."""
        with self.client() as client:
            for container in client.containers.list(all=True):
                container.remove(force=True)
            client.networks.prune()


@contextlib.contextmanager
def running() -> Iterator[Dockerd]:
    """A dockerd that has the image IMAGE; all is gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="dk-", dir="/tmp"))  # a socket's path is short
    with _bridge() as bridge:
        daemon = Dockerd(folder, bridge)
        try:
            daemon.start()
            with daemon.client() as client:
                client.api.import_image_from_file(str(_tar(folder / "image.tar")), *IMAGE.split(":"))
                made = client.containers.create(IMAGE, "none")
                made.commit(*VLLM_IMAGE.split(":"))
                made.commit(*LLAMA_IMAGE.split(":"), changes=f'ENTRYPOINT ["{LLAMA}"]')
            yield daemon
            if not daemon.running:
                daemon.start()
            daemon.clear()
        finally:
            daemon.stop()
            _end_orphans(folder)
            _unmount(folder)
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _bridge() -> Iterator[str]:
    """A network bridge of our own, in a subnet that nobody has."""
    name = f"dk{os.getpid()}"
    ip = shutil.which("ip", path=f"{os.environ['PATH']}:{TOOLS}")
    assert ip
    taken = subprocess.run([ip, "-4", "route"], capture_output=True, text=True, check=True).stdout
    net = next(f"10.213.{n % 256}" for n in range(os.getpid(), os.getpid() + 256) if f"10.213.{n % 256}." not in taken)
    subprocess.run([ip, "link", "add", name, "type", "bridge"], check=True)
    try:
        subprocess.run([ip, "addr", "add", f"{net}.1/24", "dev", name], check=True)
        subprocess.run([ip, "link", "set", name, "up"], check=True)
        yield name
    finally:
        subprocess.run([ip, "link", "del", name], check=True)


def _end_orphans(folder: Path) -> None:
    """What a killed dockerd left running, where no later one took it over: containerd, its shims, their containers."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(str(folder) in word for word in process.cmdline()):
                for one in (*process.children(recursive=True), process):
                    one.kill()


def _unmount(folder: Path) -> None:
    """What a killed dockerd left mounted."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False)


def _tar(file: Path) -> Path:
    """This machine's Python with the fake engine, and llama-server where it is built, with the libraries they need."""
    python = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    binaries = [python, *stdlib.glob("lib-dynload/*.so")]
    links = {PYTHON: python}
    if server := components.find("llama-server"):
        binaries.append(server)
        links[LLAMA] = server
    if curl := shutil.which("curl"):  # the health check's, which the real images have
        binaries.append(Path(curl))
        links[CURL] = Path(curl)
    with tarfile.open(file, "w") as tar:
        for path in (*binaries, *libraries(binaries)):
            tar.addfile(*entry(path))
        for path in modules(stdlib):
            tar.addfile(*entry(path))
        for path in ENGINE.parent.glob("*.py"):
            tar.addfile(*entry(path, f"{Path(FAKE).parent}/{path.name}"))
        for name, target in links.items():
            link = tarfile.TarInfo(name.lstrip("/"))
            link.type, link.linkname = tarfile.SYMTYPE, str(target)
            if str(target) != name:
                tar.addfile(link)
        script = tarfile.TarInfo("usr/local/bin/vllm")
        script.size, script.mode = len(VLLM), 0o755
        tar.addfile(script, io.BytesIO(VLLM.encode()))
        tmp = tarfile.TarInfo("tmp")
        tmp.type, tmp.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(tmp)
    return file


def entry(path: Path, name: str = "") -> tuple[tarfile.TarInfo, io.BytesIO]:
    data = path.read_bytes()
    info = tarfile.TarInfo((name or str(path)).lstrip("/"))
    info.size, info.mode = len(data), 0o755
    return info, io.BytesIO(data)


def modules(stdlib: Path) -> Iterator[Path]:
    for path in stdlib.rglob("*.py"):
        parts = path.relative_to(stdlib).parts
        if not DROPPED & set(parts) and not parts[0].startswith("config-"):
            yield path


def libraries(binaries: Iterable[Path]) -> set[Path]:
    """What the loader would load, and the loader itself."""
    told = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=True).stdout
    return {Path(path) for path in re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", told, re.MULTILINE)}
