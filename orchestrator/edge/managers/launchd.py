"""launchd: the gateway, llama-swap and each resident engine as an agent of the user's login, or (service: boot) as a
daemon of the machine that runs as the user.

launchd keeps what it has loaded, whatever becomes of the file: a job whose file changes is taken away first, so that a
crash in between leaves one that is not loaded, and the next `up` loads it.
"""

from __future__ import annotations

import os
import plistlib
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from orchestrator.core.launch import Process
from orchestrator.core.plan import Manager as Name
from orchestrator.core.plan import Plan
from orchestrator.core.target import Artifact
from orchestrator.core.targets.launchd import EXIT_GATEWAY, GATEWAY, SWAP, label, log_name
from orchestrator.edge import site
from orchestrator.edge.managers.api import Applied, Say
from orchestrator.edge.managers.launchctl import Domain
from orchestrator.edge.managers.parts import part
from orchestrator.edge.managers.staging import TYPED, refuse, stage, sudo
from orchestrator.edge.paths import StackPaths
from orchestrator.edge.run import logs
from orchestrator.edge.write import compare, expect, listed, refuse_drift, write
from orchestrator.errors import EngineError, PlanError

DAEMONS = Path("/Library/LaunchDaemons")
PATIENCE = EXIT_GATEWAY + 20.0
"""Seconds until a job is gone: no job's ExitTimeOut is longer than the gateway's."""
PRIVATE = ("~/Desktop", "~/Documents", "~/Downloads", "~/Library/Mobile Documents", "/Volumes")
"""What macOS's privacy protection keeps programs from which nobody has let in; the last are disks by cable or net."""


class Launchd:
    name: Name = "launchd"

    def __init__(
        self,
        paths: StackPaths,
        *,
        root: bool | None = None,
        daemons: Path = DAEMONS,
        declared: tuple[str, ...] = (),
    ) -> None:
        """root: whether daemons can be installed by us (None: find out); daemons: where those are; declared: the labels
        where somebody else wrote the files, and no manifest lists them."""
        self._declared = declared
        self._paths = paths
        self._root = os.geteuid() == 0 if root is None else root
        self._agents = _Place(
            Domain(f"gui/{os.getuid()}"), Path.home() / "Library" / "LaunchAgents", paths.state / "launchd.json"
        )
        self._daemons = _Place(Domain("system"), daemons, paths.state / "launchd-daemons.json")
        boot = self._daemons.domain.job(declared[0]) if declared else self._daemons.manifest.exists()
        self._turn(self._daemons if boot else self._agents)

    def _turn(self, place: _Place) -> None:
        self._place, self.folder, self.manifest = place, place.folder, place.manifest

    def check(self, plan: Plan) -> tuple[str, ...]:
        """Warns of what macOS may not let a job read."""
        if shutil.which("launchctl") is None:
            raise PlanError("launchd is not here: it is macOS's", mend="on Linux: `stack up --target systemd`")
        place = self._daemons if plan.stack.service == "boot" else self._agents
        if why := place.domain.reachable():
            raise PlanError(
                f"launchd has no place for agents: {why}",
                mend="log in at the Mac's screen (agents live in that session), or `service: boot`",
            )
        return tuple(_private(plan, self._paths))

    def installed(self, artifacts: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        """Turns to where these belong: a job with a UserName is a daemon's."""
        found = tuple(Artifact(a.path.removeprefix("launchd/"), a.text, a.mode, a.notes) for a in artifacts)
        boot = any("UserName" in plistlib.loads(a.text.encode()) for a in found)
        self._turn(self._daemons if boot else self._agents)
        return found

    def apply(self, artifacts: tuple[Artifact, ...], say: Say, *, force: bool = False) -> Applied:
        place = self._place
        if not force:
            refuse_drift(artifacts, place.folder, place.manifest)
        done = compare(artifacts, place.folder, place.manifest)
        wanted = _labels(artifact.path for artifact in artifacts)
        changed = _labels((*done.changed, *done.edited))
        gone = tuple(name for name in place.labels() if name not in wanted and place.holds(name))
        self._paths.logs.mkdir(parents=True, exist_ok=True)  # launchd makes the files and not their folder
        refuse(self.pending(artifacts), "install")
        self._leave(self._agents if place is self._daemons else self._daemons, say)
        for name in (*gone, *changed):
            if place.domain.job(name) is not None:
                say(f"stopping {name}")
                place.domain.unload(name, patience=PATIENCE)
        write(artifacts, place.folder, place.manifest, force=force)
        started = []
        for name in reversed(wanted):
            if place.domain.job(name) is None:
                logs.rotate(self._log(name))
                place.domain.load(name, place.file(name))
                started.append(name)
        return Applied(tuple(started), gone)

    def _leave(self, place: _Place, say: Say) -> None:
        """The stack was started with the login and is to start with the machine from now on, or the other way."""
        if place.labels():
            say(f"taking it out of {place.folder}")
            self._stop(place)
            self._remove(place)

    def pending(self, artifacts: tuple[Artifact, ...]) -> tuple[str, ...]:
        """Daemons are root's to install."""
        place, staged = self._place, self._paths.state / "launchd"
        if place is self._agents or self._root:
            return ()
        done = compare(artifacts, place.folder, place.manifest)
        wanted = _labels(artifact.path for artifact in artifacts)
        changed = _labels((*done.changed, *done.edited))
        gone = tuple(name for name in place.labels() if name not in wanted and place.holds(name))
        missing = [name for name in wanted if place.domain.job(name) is None]
        anew = [name for name in reversed(wanted) if name in changed or name in missing]
        if not anew and not gone:
            return ()
        stage(artifacts, staged)
        expect(artifacts, place.manifest)
        agents = [name for name in self._agents.labels() if self._agents.domain.job(name) is not None]
        lines = [shlex.join(("launchctl", "bootout", f"{self._agents.domain.target}/{name}")) for name in agents]
        lines += [line for name in gone for line in (*self._out(name), sudo("rm", "-f", place.file(name)))]
        for name in anew:
            lines += [] if name in missing else [sudo("launchctl", "bootout", f"system/{name}")]
            new = staged / f"{name}.plist"
            lines.append(sudo("install", "-m", "644", "-o", "root", "-g", "wheel", new, place.file(name)))
            lines.append(sudo("launchctl", "enable", f"system/{name}"))
            lines.append(sudo("launchctl", "bootstrap", "system", place.file(name)))
        return tuple(lines)

    def _out(self, name: str) -> tuple[str, ...]:
        words = ("bootout", "disable") if self._daemons.domain.job(name) is not None else ("disable",)
        return tuple(sudo("launchctl", word, f"system/{name}") for word in words)

    def stop(self) -> bool:
        agents, daemons = self._stop(self._agents), self._stop(self._daemons)
        return agents or daemons

    def _stop(self, place: _Place) -> bool:
        names = place.labels()
        running = [name for name in names if place.domain.job(name) is not None]
        if place is self._daemons and running and not self._root:
            refuse(tuple(line for name in running for line in self._out(name)), "stop")
        if place is self._agents or self._root:
            for name in names:
                place.domain.disable(name)
        ended = place.domain.unload(*names[:1], patience=PATIENCE)  # the gateway uses the others
        return place.domain.unload(*names[1:], patience=PATIENCE) or ended

    def remove(self) -> None:
        for place in (self._agents, self._daemons):
            self._remove(place)
        shutil.rmtree(self._paths.state / "launchd", ignore_errors=True)

    def _remove(self, place: _Place) -> None:
        names = place.labels()
        left = [place.file(name) for name in names if place.file(name).exists()]
        if place is self._daemons and left and not self._root:
            refuse(tuple(sudo("rm", "-f", file) for file in left), "remove")
        if place is self._agents or self._root:
            for name in names:  # launchd remembers that it was disabled: another stack of that name should start
                place.domain.enable(name)
        write((), place.folder, place.manifest, force=True)
        place.manifest.unlink(missing_ok=True)

    def known(self) -> bool:
        """Whether the gateway's job is loaded, whoever wrote it."""
        return self._place.domain.job(self._name(None)) is not None

    def states(self) -> Mapping[str, str]:
        place = self._place
        found = ((name, place.domain.job(name)) for name in self._declared or place.labels())
        return {name: job.words if job is not None else "not loaded" for name, job in found}

    def why(self, model: str | None) -> str:
        name = self._name(model)
        try:
            job = self._place.domain.job(name)
        except EngineError:
            return ""
        if job is None:
            return f"launchd has not loaded {name}"
        return f"{name} {job.hopeless}" if job.hopeless else ""

    def verb(self, verb: str, model: str | None) -> None:
        place, name = self._place, self._name(model)
        loaded = place.domain.job(name) is not None
        if place is self._daemons and not self._root:
            if verb != "restart" and loaded == (verb == "load"):
                return
            words = {"load": "bootstrap system", "unload": "bootout", "restart": "kickstart -k"}[verb]
            what = place.file(name) if verb == "load" else f"system/{name}"
            mend = "type this instead" if verb == "restart" else TYPED
            line = sudo("launchctl", *words.split(), what)
            raise PlanError(f"{name} is root's to {verb}", details=(line,), mend=mend)
        if verb == "unload":
            place.domain.unload(name, patience=PATIENCE)
        elif not loaded:
            place.domain.load(name, place.file(name))
        elif verb == "restart":
            place.domain.restart(name)
        else:
            place.domain.start(name)

    def logs(self, model: str | None, lines: int, *, follow: bool = False) -> Iterator[str]:
        file = self._log(self._name(model))
        yield from logs.tail(file, lines)
        if follow:
            yield from logs.follow(file)

    def _name(self, model: str | None) -> str:
        return label(self._paths.name, part(model))

    def _log(self, name: str) -> Path:
        return self._paths.logs / log_name(name.removeprefix(label(self._paths.name, "")))


class _Place:
    """Where jobs of one kind are: the domain that they are loaded into, the folder of their files, our manifest."""

    def __init__(self, domain: Domain, folder: Path, manifest: Path) -> None:
        self.domain = domain
        self.folder = folder
        self.manifest = manifest

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.plist"

    def labels(self) -> tuple[str, ...]:
        """Of what we installed, the gateway first: it uses the others."""
        return _labels(listed(self.manifest))

    def holds(self, name: str) -> bool:
        return self.file(name).exists() or self.domain.job(name) is not None


def _labels(paths: Iterable[str]) -> tuple[str, ...]:
    """The gateway first, then llama-swap: who uses others is ended before them, and started after them."""
    first = (f"-{GATEWAY}", f"-{SWAP}")
    found = (path.removesuffix(".plist") for path in paths)
    return tuple(sorted(found, key=lambda name: (*(not name.endswith(end) for end in first), name)))


def _private(plan: Plan, paths: StackPaths) -> Iterator[str]:
    """What lies in folders that a program without a window is not asked about, but kept out of."""
    engines = [launch for launch in plan.launches if isinstance(launch.how, Process)]
    used = {*site.here(paths.name).stack[:1], str(paths.state), *(launch.weights for launch in engines)}
    used |= {word for launch in engines if isinstance(launch.how, Process) for word in launch.how.argv}
    for folder in PRIVATE:
        if inside := sorted(one for one in used if one.startswith(f"{Path(folder).expanduser()}/")):
            yield f"macOS may keep launchd's jobs from {inside[0]}: allow it, or move it out of {folder}"
