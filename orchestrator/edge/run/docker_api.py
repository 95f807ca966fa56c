"""The docker daemon by its SDK, which is synchronous: called in threads. What it says in our words.

Imported late: the SDK takes 0.2 s, and most stacks have no container.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

from orchestrator.core import containers
from orchestrator.core.launch import Container, Launch
from orchestrator.edge.host import detect_docker
from orchestrator.edge.run import identity
from orchestrator.edge.run.engines import Unavailable
from orchestrator.errors import EngineError, PortTaken, StackError

TIMEOUT = 120
"""Seconds for one answer: a busy disk delays the making of a container."""
PING = 10
"""Seconds for a sign of life, likewise."""
NO_GPUS = ("could not select device driver", "cdi device", "from cdi", "nvidia-container-cli")
GPU_MEND = "install nvidia-container-toolkit, `sudo nvidia-ctk runtime configure --runtime=docker`, restart docker"
IN_USE = 409
"""docker's answer where a container still uses what was to be removed."""
START = "start docker (`sudo systemctl start docker`, Docker Desktop, colima)"


@contextmanager
def daemon() -> Iterator[Any]:
    """A client of the docker that its own command would use (DOCKER_HOST, the current context).

    Raises Unavailable when none answers, or stops answering meanwhile. Others of docker's errors pass.
    """
    import docker
    import requests
    from docker.errors import APIError, DockerException

    where = detect_docker.endpoint()
    if _remote(where):
        words = f"docker is on another machine ({where}): its containers' loopback ports cannot be reached from here"
        raise EngineError(words, mend="unset DOCKER_HOST, or choose another docker context")
    if reason := detect_docker.trouble(where, PING):  # asked first: the SDK leaves a socket open where it fails
        raise _away(where, reason)
    try:
        client = docker.from_env(timeout=TIMEOUT)
    except (DockerException, requests.RequestException) as error:
        raise _away(where, _short(error)) from error
    try:
        yield client
    except APIError:
        raise
    except (requests.ConnectionError, requests.Timeout) as error:
        raise Unavailable(f"docker at {where} went away: {_short(error)}", mend=START) from error
    finally:
        client.close()


def _away(where: str, reason: str) -> Unavailable:
    mend = "`sudo usermod -aG docker $USER`, then log in again" if "denied" in reason else START
    return Unavailable(f"docker does not answer at {where}: {reason}", mend=mend)


def _remote(where: str) -> bool:
    parts = urlsplit(where)
    return parts.scheme not in ("unix", "npipe") and parts.hostname not in ("127.0.0.1", "localhost", "::1")


def _short(error: BaseException) -> str:
    """The innermost reason: what urllib3 and requests put around it says nothing to a user."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return (getattr(error, "strerror", None) or str(error))[:200]


def remove_volumes(client: Any, label: str) -> None:
    """Those with this label that no container uses, of whatever stack. Raises EngineError."""
    from docker.errors import APIError

    for volume in client.volumes.list(filters={"label": label}):
        try:
            volume.remove()
        except APIError as error:
            if error.status_code != IN_USE:
                raise EngineError(f"the volume {volume.name} cannot be removed: {error.explanation}") from error


def ours(client: Any, stack: str) -> list[Any]:
    """This user's and home's containers of a stack, running or not."""
    found = client.containers.list(all=True, filters={"label": f"{containers.STACK}={stack}"}, ignore_removed=True)
    return [container for container in found if is_ours(container, stack)]


def is_ours(container: Any, stack: str, model: str | None = None) -> bool:
    """By its labels and its home, never by its name alone. One that llama-swap started says nothing of its user."""
    labels = container.labels
    user = labels.get(containers.USER, str(os.getuid()))
    told = [line.partition("=") for line in (container.attrs.get("Config") or {}).get("Env") or ()]
    if any(name == containers.STATE and value != identity.home() for name, _, value in told):
        return False
    known = model is None or labels.get(containers.MODEL) == model
    return bool(labels.get(containers.STACK) == stack and user == str(os.getuid()) and known)


def any_left(stack: str, what: str = "containers") -> bool:
    """Whether docker, if it answers, has containers (or volumes) of that stack. Without the SDK: milliseconds."""
    where = detect_docker.endpoint()
    if not where.startswith("unix://"):
        return not _remote(where)  # the SDK will see; on another machine there are none
    path = "/containers/json?all=1" if what == "containers" else "/volumes?"
    filters = quote(f'{{"label":["{containers.STACK}={stack}"]}}')
    try:
        reply = detect_docker.get(where, f"{path}&filters={filters}", PING)
    except OSError:
        return False
    return b'"Labels"' in reply.partition(b"\r\n\r\n")[2]


def sweep(stack: str, keep: Collection[str] = ()) -> int:
    """Removes a stack's containers but those of the models in `keep`; how many. Raises Unavailable, EngineError."""
    with daemon() as client:
        left = [one for one in ours(client, stack) if one.labels.get(containers.MODEL) not in keep]
        for container in left:
            remove(container)
    return len(left)


def remove(container: Any) -> None:
    """Also a running one. One that is gone already is fine."""
    from docker.errors import APIError, NotFound

    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code == 409 and "already in progress" in str(error.explanation):  # `docker run --rm` does it
            return
        raise EngineError(f"the container {container.name} cannot be removed: {error.explanation}") from error


def name_taken(container: Any) -> EngineError:
    image = (container.attrs.get("Config") or {}).get("Image", "?")
    env = dict(line.partition("=")[::2] for line in (container.attrs.get("Config") or {}).get("Env") or ())
    whose = f"it is of the stacks in {env[containers.STATE]}" if containers.STATE in env else "it is not ours"
    return EngineError(
        f"there is a container {container.name} already, and {whose} (image {image}, {container.status})",
        mend=f"`docker rm -f {container.name}`, or give the stack another `name`",
    )


def port_taken(client: Any, launch: Launch) -> PortTaken | None:
    """The error that names the container which publishes the port, None if no container does."""
    for container in client.containers.list(ignore_removed=True):
        ports = container.attrs.get("NetworkSettings", {}).get("Ports") or {}
        if any(row.get("HostPort") == str(launch.port) for rows in ports.values() for row in rows or ()):
            text = f"port {launch.port} for model {launch.model} is taken by the container {container.name}"
            return PortTaken(text, mend=f"`docker stop {container.name}`, or choose another port in stack.yaml")
    return None


def missing_image(image: str) -> EngineError:
    return EngineError(f"docker has no image {image}", mend=f"docker pull {image}")


def explain(error: Any, client: Any, launch: Launch) -> StackError:
    """What docker refused, when it made or started the container of a launch."""
    from docker.errors import ImageNotFound

    assert isinstance(launch.how, Container)
    said = str(error.explanation or error)
    if isinstance(error, ImageNotFound):
        return missing_image(launch.how.image)
    if any(words in said.lower() for words in NO_GPUS):
        return EngineError(f"docker cannot give GPUs to containers: {said}", mend=GPU_MEND)
    if "already allocated" in said or "address already in use" in said:
        text = f"port {launch.port} for model {launch.model} is taken: docker says {said}"
        return port_taken(client, launch) or PortTaken(text, mend="choose another port in stack.yaml")
    return EngineError(f"docker refuses the container of {launch.model}: {said}")
