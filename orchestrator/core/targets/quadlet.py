"""Podman's unit files, quadlet (facts: podman-systemd.unit(5) and the sources of podman 5.4, pkg/systemd).

Words are read twice. The generator splits Exec, Environment and Label into words and makes a `podman run` of them, in
which systemd then replaces `%` and `$`. On that way an empty word ends the line and a lone `;` begins a second command:
those two go through variables of the service. Volume, Image, Entrypoint and HealthCmd are not split, only replaced in.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import dataclass

from orchestrator.core import containers, said
from orchestrator.core.launch import Attach, Container, Launch
from orchestrator.core.plan import Manager, Plan, slug
from orchestrator.core.planner.plan_json import plan_to_json
from orchestrator.core.target import Artifact, Site, Templates
from orchestrator.core.trouble import path
from orchestrator.errors import PlanError, Problem, Unsayable

GATEWAY_PLAN = "/etc/stack/plan.json"
"""In the gateway's container: the plan that was rendered with its unit, for no `up` writes one."""
GATEWAY_START = 60
GATEWAY_STOP = 30
PULL = 1800
"""Seconds that a start may take beyond loading: podman fetches the image in the first one."""
HEALTHZ = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/healthz', timeout=4)"
VARIABLES = {"": "STACK_EMPTY", ";": "STACK_SEMICOLON"}
UNSAYABLE = re.compile(
    "[\x80\ud800-\udfff\ufdd0-\ufdef" + "".join(chr(n << 16 | 0xFFFE) + chr(n << 16 | 0xFFFF) for n in range(17)) + "]"
)
"""systemd drops a line with a noncharacter in it; the generator makes U+0080 a byte that is no text."""
PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
IMAGE = re.compile(r"[\w@:./-]+", re.ASCII)
ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"'}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of podman's own store. how: "env" | "mount"; target: the variable, or the file, in the container."""

    name: str
    how: str
    target: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One `.container`. Words, texts and paths as they are meant: the template escapes. start, stop: seconds;
    shm_size: bytes, 0 = podman's default; folders: made before each start.

    Of the gateway alone: empty: folders that begin empty; wants: units that start with it; user: (uid, gid).
    """

    what: str
    name: str
    image: str
    words: tuple[str, ...]
    health: tuple[str, ...]
    ports: tuple[str, ...]
    environment: dict[str, str]
    labels: dict[str, str]
    volumes: tuple[str, ...]
    start: int
    stop: int
    folders: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    ipc: str = ""
    shm_size: int = 0
    secrets: tuple[Secret, ...] = ()
    empty: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    user: tuple[int, int] | None = None

    @property
    def variables(self) -> dict[str, str]:
        """Of the service, for what `word` cannot say itself."""
        return {name: value for value, name in VARIABLES.items() if value in self.words}


class Quadlet:
    name = "quadlet"
    systems = ("linux",)
    implemented = True
    manager: Manager = "quadlet"

    def render(self, plan: Plan, templates: Templates, site: Site) -> tuple[Artifact, ...]:
        if problems := _problems(plan):
            raise Unsayable("quadlet", problems)
        if bad := [folder for folder in (site.state, site.sockets) if not _sayable(folder)]:
            raise PlanError(f"podman's --volume cannot say this path: {bad[0]!r}", mend="rename that folder")
        units = [_gateway(plan, site), *_engines(plan, site)]
        escapes = {"word": word, "text": text, "array": array, "shell": shlex.quote}
        told = {"stack": plan.name, "network": plan.tag, **escapes}
        files = {
            f"{unit.name}.container": templates("quadlet/container.j2", unit=unit, pull=PULL, **told) for unit in units
        }
        label = f"{containers.STACK}={plan.name}"
        files[f"{plan.tag}.network"] = templates("quadlet/network.j2", label=label, **told)
        kept = Artifact(f"quadlet/{plan.tag}-plan.json", plan_to_json(plan), 0o600)
        return (*(Artifact(f"quadlet/{name}", content) for name, content in files.items()), kept)


TARGET = Quadlet()


def text(value: str) -> str:
    """A value that the generator takes as it is: systemd replaces in what it makes of it."""
    return value.replace("%", "%%").replace("$", "$$")


def word(value: str) -> str:
    """One word of a list, which arrives byte for byte."""
    if value in VARIABLES:
        return f"${{{VARIABLES[value]}}}"
    said = text(value)
    if PLAIN.fullmatch(said):
        return said
    return '"' + "".join(ESCAPES.get(c, c if c >= " " and c != "\x7f" else f"\\x{ord(c):02x}") for c in said) + '"'


def array(values: tuple[str, ...]) -> str:
    """A command as one value: podman reads JSON there."""
    return text(json.dumps(values))


def _gateway(plan: Plan, site: Site) -> Unit:
    """Its state and its control socket lie where they lie without a container: the command line outside finds both."""
    seen = dict.fromkeys(mount for _, how in _containers(plan) for mount in how.mounts if mount[2] == "ro")
    volumes = [(site.state, site.state, "rw"), (site.sockets, site.sockets, "rw")]
    runtime = site.sockets.rpartition("/")[0]
    return Unit(
        what="gateway",
        name=f"{plan.tag}-gateway",
        image=f"localhost/stack-gateway:{site.version}",
        words=("serve", "--plan", GATEWAY_PLAN, "--name", plan.name),
        health=("python3", "-c", HEALTHZ.format(port=plan.listen[0][1])),
        ports=tuple(f"{_address(host)}:{port}:{port}" for host, port in plan.listen),
        environment={
            "HOME": site.home,
            "STACK_PLAN": hashlib.sha256(plan_to_json(plan).encode()).hexdigest()[:16],
            "XDG_RUNTIME_DIR": runtime,
            "XDG_STATE_HOME": site.state.rsplit("/", 2)[0],
        },
        labels={containers.STACK: plan.name, containers.USER: str(site.uid)},
        volumes=(f"./{plan.tag}-plan.json:{GATEWAY_PLAN}:ro", *(":".join(volume) for volume in (*volumes, *seen))),
        start=GATEWAY_START,
        stop=GATEWAY_STOP,
        folders=(site.state, site.sockets),
        secrets=_gateway_secrets(plan),
        empty=(runtime,),
        wants=tuple(f"{containers.name(plan.name, launch.model)}.service" for launch, _ in _containers(plan)),
        user=(site.uid, site.gid),  # else that of the image, also under keep-id
    )


def _engines(plan: Plan, site: Site) -> list[Unit]:
    return [_engine(plan, site, launch, how) for launch, how in _containers(plan)]


def _engine(plan: Plan, site: Site, launch: Launch, how: Container) -> Unit:
    told = containers.environment(plan.name, launch) | {containers.STATE: site.states}
    return Unit(
        what=launch.model,
        name=containers.name(plan.name, launch.model),
        image=_image(how.image),
        words=how.argv,
        health=("curl", "-fsS", "-o", "/dev/null", f"http://127.0.0.1:{how.port}{launch.ready.path}"),
        ports=(f"127.0.0.1:{launch.port}:{how.port}",),
        environment=dict(sorted(told.items())),
        labels=containers.labels(plan.name, launch) | {containers.USER: str(site.uid)},
        volumes=tuple(":".join(mount) for mount in how.mounts),
        start=launch.ready.timeout,
        stop=containers.STOP,
        folders=tuple(source for source, _, mode in how.mounts if mode == "rw" and source.startswith("/")),
        entrypoint=how.entrypoint,
        gpus=how.gpus,
        ipc=how.ipc,
        shm_size=0 if how.ipc == "host" else how.shm_size,  # podman refuses both together
        secrets=tuple(_secret(plan, "env", name) for name in launch.secret_names),
    )


def _containers(plan: Plan) -> list[tuple[Launch, Container]]:
    return [(launch, launch.how) for launch in plan.launches if isinstance(launch.how, Container)]


def _image(name: str) -> str:
    """podman asks no registry that is not named: `org/name` is docker's hub; a bare name was built here."""
    first, slash, _ = name.partition("/")
    named = "." in first or ":" in first or first == "localhost"
    return name if named or not slash else f"docker.io/{name}"


def _gateway_secrets(plan: Plan) -> tuple[Secret, ...]:
    return tuple(dict.fromkeys(_secret(plan, kind, name) for _, kind, name in _keys(plan)))


def _keys(plan: Plan) -> list[tuple[str, str, str]]:
    """(place in stack.yaml, "env" | "file", its name) of what the gateway reads."""
    keys = plan.stack.endpoint.keys.items()
    found = [
        (path(("endpoint", "keys", name)), "env" if key.env else "file", key.env or key.file) for name, key in keys
    ]
    attached = [(launch, launch.how) for launch in plan.launches if isinstance(launch.how, Attach)]
    found += [(f"{launch.source}.key", *how.key) for launch, how in attached if how.key is not None]
    return [(at, kind, name or "") for at, kind, name in found]


def _secret(plan: Plan, kind: str, name: str) -> Secret:
    """A file is mounted at its own path, which is the one that the plan names."""
    return Secret(f"{plan.tag}-{slug(name)}", "mount" if kind == "file" else "env", name)


def _problems(plan: Plan) -> list[Problem]:
    found = [problem for launch in plan.launches for problem in _launch_problems(plan, launch)]
    found += [
        Problem("endpoint.listen", f"podman publishes at addresses, and {host} is a name", "the address of that name")
        for host, _ in plan.listen
        if not _address(host)
    ]
    files = [(at, name) for at, kind, name in _keys(plan) if kind == "file"]
    bad = [(at, name) for at, name in files if set(name) & set(",\n\r")]
    return found + [Problem(at, f"podman's --secret cannot say this path: {name!r}") for at, name in bad]


def _launch_problems(plan: Plan, launch: Launch) -> list[Problem]:
    how, at = launch.how, launch.source or path(("models", launch.model))
    if isinstance(how, Attach):
        return []
    if not isinstance(how, Container):
        return [Problem(at, "it is a process, and quadlet runs containers only", "name an image in `engine.image`")]
    found = [] if IMAGE.fullmatch(how.image) else [Problem(at, f"this is no name of an image: {how.image!r}")]
    bad = [part for part in (*how.entrypoint, *how.argv) if UNSAYABLE.search(part)]
    words = "a unit cannot hold this character"
    found += [Problem(said.argument(plan, launch, part), f"{words}: {part[:80]!r}") for part in bad]
    places = [
        path(("models", launch.model, "serve", "env", name)) for name, value in launch.env if UNSAYABLE.search(value)
    ]
    found += [Problem(place, words) for place in places]
    paths = [part for mount in how.mounts for part in mount[:2] if not _sayable(part)]
    return found + [Problem(at, f"podman's --volume cannot say this path: {part!r}") for part in paths]


def _sayable(part: str) -> bool:
    """`:` divides the fields of a volume; the rest would end the line, or join it to the next one."""
    return not set(part) & set(":\n\r") and not part.endswith("\\") and not UNSAYABLE.search(part)


def _address(host: str) -> str:
    """As PublishPort= takes it; "" for any other name than localhost."""
    found = containers.address(host)
    return f"[{found}]" if ":" in found else found
