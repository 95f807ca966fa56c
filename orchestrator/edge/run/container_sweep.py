"""Containers as `up` and `down` see them, without a daemon of ours: what is missing before, what a crash has left."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core import containers
from orchestrator.core.launch import Container
from orchestrator.core.plan import Plan
from orchestrator.edge.host import detect_docker
from orchestrator.edge.run import docker_api, identity
from orchestrator.errors import EngineError, PlanError


def refuse(plan: Plan) -> None:
    """Raises PlanError where docker, or an image that the plan needs, is not there. Nothing is pulled: an engine's
    image has tens of gigabytes, and `docker pull` knows registries, mirrors and logins."""
    images = {launch.how.image: launch for launch in plan.launches if isinstance(launch.how, Container)}
    if not images:
        return
    from docker.errors import ImageNotFound

    try:
        with docker_api.daemon() as client:
            for image, launch in images.items():
                try:
                    client.images.get(image)
                except ImageNotFound:
                    error = docker_api.missing_image(image)
                    raise PlanError(f"{launch.model}: {error.text}", mend=error.mend) from None
    except EngineError as error:
        raise PlanError(error.text, mend=error.mend) from error


def sweep(stack: str, plan_file: Path) -> int:
    """Removes the containers that a stack has left; how many. plan_file: what it was started from last.

    Raises EngineError where there may be some and docker cannot be asked.
    """
    if not detect_docker.answers(where := detect_docker.endpoint()):
        if _has_containers(plan_file):
            words = f"docker does not answer at {where}: containers of {stack} may be left there"
            raise EngineError(words, mend="start docker, then `stack down`")
        return 0
    return docker_api.sweep(stack) if docker_api.any_left(stack) else 0


def remove_volumes(stack: str) -> None:
    """Those that a stack made and no container uses."""
    if not docker_api.any_left(stack, "volumes"):
        return
    with docker_api.daemon() as client:
        docker_api.remove_volumes(client, f"{containers.STACK}={stack}")


def sweep_tries(stack: str) -> None:
    """Removes what a killed `stack try` left."""
    if docker_api.any_left(stack):
        with docker_api.daemon() as client:
            for container in docker_api.ours(client, stack):
                if container.labels.get(containers.MODEL, "").startswith(identity.TRY):
                    docker_api.remove(container)


def _has_containers(plan_file: Path) -> bool:
    try:
        return '"kind": "container"' in plan_file.read_text()
    except OSError:
        return False
