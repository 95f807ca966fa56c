"""What is read of a rendered compose.yaml, and of docker's words while it pulls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from docker.errors import APIError

from orchestrator.core.targets.compose import TARGET
from orchestrator.edge import templates
from orchestrator.edge.managers.compose_project import Service, services, told
from tests.plans import SITE, contained, fake, plan_of


def test_a_rendered_file_is_read_back() -> None:
    mounts = (("/w/$HOME", "/w", "ro"), ("/cache", "/c", "rw"), ("volume", "/v", "rw"))
    launch = contained(fake("a", 18500), mounts=mounts)
    plan = replace(plan_of(launch, name="t"), manager="compose", listen=(("::1", 8484),))
    found = services(TARGET.render(plan, templates.render, SITE)[0].text)
    assert found["stack-t-a-ca9781"] == Service(
        "stack-t-a-ca9781",
        launch.how.image,  # type: ignore[union-attr]
        (("127.0.0.1", 18500),),
        (("/w/$HOME", "ro"), ("/cache", "rw")),
    )
    assert found["gateway"].ports == (("::1", 8484),)


def layer(name: str, done: int, whole: int) -> Mapping[str, Any]:
    return {"status": "Downloading", "id": name, "progressDetail": {"current": done, "total": whole}}


def test_a_pull_says_a_line_each_tenth() -> None:
    events = [{"status": "Pulling from nobody/nothing", "id": "b1"}, {"status": "Pulling fs layer", "id": "x"}]
    events += [layer("x", done, 1024) for done in range(0, 1024, 8)]
    events += [{"status": "Download complete", "id": "x", "progressDetail": {}}]
    said = list(told(iter(events)))
    assert len(said) == 11
    assert (said[0], said[-1]) == ("0 B of 1.0 KiB", "1.0 KiB of 1.0 KiB")


def test_a_pull_that_fails_midway_is_an_error() -> None:
    with pytest.raises(APIError, match="no space left"):
        list(told(iter([layer("x", 1, 2), {"error": "no space left on device"}])))
