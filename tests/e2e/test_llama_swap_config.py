"""The config that we emit, and what it is compared with, under the real llama-swap."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from orchestrator import pipeline
from orchestrator.core import routing
from orchestrator.core.launch import Process, Ready
from orchestrator.core.plan import Plan
from orchestrator.core.targets.llama_swap import TARGET
from orchestrator.edge import templates
from tests.components import REPOSITORY
from tests.gateways import upstream
from tests.planned import local, planned, stack
from tests.plans import SITE, fake

pytestmark = pytest.mark.component("llama-swap")
EXAMPLES = REPOSITORY / "examples"
CAPTURED = Path(__file__).parents[1] / "captured" / "llama_swap"


@contextmanager
def running(binary: Path, config: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    command = [str(binary), "-config", str(config), "-listen", f"127.0.0.1:{port}"]
    log = config.with_suffix(".log")
    with log.open("w") as out, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True, cwd=config.parent)
        try:
            yield process, client
        finally:
            process.terminate()
            process.wait(40)


def answers(process: subprocess.Popen[str], client: httpx.Client) -> bool:
    """Whether it serves; False when it ended instead."""
    while process.poll() is None:
        try:
            return client.get("/api/version").status_code == 200
        except httpx.TransportError:
            time.sleep(0.02)
    return False


@pytest.mark.parametrize("file", sorted(CAPTURED.glob("*.yaml")), ids=lambda file: file.stem)
def test_captured_cases_are_what_the_real_one_does(
    file: Path, tmp_path: Path, require: Callable[[str], Path], free_port: Callable[[], int]
) -> None:
    text = file.read_text()
    verdict = re.match(r"# real: (accepts|refuses|ignores)", text)
    assert verdict
    config = tmp_path / "config.yaml"
    config.write_text(text)
    with running(require("llama-swap"), config, free_port()) as (process, client):
        assert answers(process, client) is (verdict[1] != "refuses"), config.with_suffix(".log").read_text()


def rendered(plan: Plan, folder: Path) -> Path:
    (artifact,) = TARGET.render(plan, templates.render, SITE)
    config = folder / "config.yaml"
    config.write_text(artifact.text)
    return config


def test_every_backends_launch_is_accepted_and_listed(
    tmp_path: Path, require: Callable[[str], Path], free_port: Callable[[], int]
) -> None:
    plan = planned(
        stack(
            {
                "org/a:1": local("/w/a", ttl="5m", aliases=["ay"], roles=["default"]),
                "b": local("/w/b", "vllm-mlx"),
                "c": local("/w/c.gguf", "llama-cpp", serve={"concurrency": 2}),
            },
            supervisor="llama-swap",
        )
    )
    with running(require("llama-swap"), rendered(plan, tmp_path), free_port()) as (process, client):
        assert answers(process, client)
        listed = {model["id"] for model in client.get("/v1/models").json()["data"]}
        assert listed == {"org/a:1", "b", "c"}


def config_log(folder: Path) -> str:
    return (folder / "config.log").read_text()


def test_the_matrix_lets_run_together_what_the_plan_does(
    tmp_path: Path, require: Callable[[str], Path], free_port: Callable[[], int]
) -> None:
    """Three models of which two fit: the third ends one that its set does not hold, and no other."""
    launches = [fake(name, free_port()) for name in ("a", "b", "c")]
    base = planned(stack({name: local() for name in ("a", "b", "c")}, supervisor="llama-swap"))
    plan = replace(base, launches=tuple(launches), sets=(("a", "b"), ("a", "c")))

    with running(require("llama-swap"), rendered(plan, tmp_path), free_port()) as (process, client):
        assert answers(process, client)
        for model in ("a", "b", "c"):
            assert client.get(f"/upstream/{model}/health").status_code == 200, config_log(tmp_path)
        up = {row["model"] for row in client.get("/running").json()["running"] if row["state"] == "ready"}
        assert up == {"a", "c"}


def test_a_role_and_an_alias_lead_to_the_model_in_llama_swap_itself(
    tmp_path: Path, require: Callable[[str], Path], free_port: Callable[[], int]
) -> None:
    base = planned(stack({"a": local(aliases=["ay"], roles=["default"])}))
    plan = replace(base, launches=(replace(fake("a", free_port()), served_name="a"),))
    with running(require("llama-swap"), rendered(plan, tmp_path), free_port()) as (process, client):
        assert answers(process, client)
        body = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
        for name in ("a", "ay", "default"):
            reply = client.post("/v1/chat/completions", json=body | {"model": name})
            assert reply.status_code == 200, reply.text


def test_what_is_set_in_requests_by_llama_swap_is_what_our_gateway_would_set(
    tmp_path: Path, require: Callable[[str], Path], free_port: Callable[[], int]
) -> None:
    """Both are asked the same: the engine gets the same but for the default that cannot be said there."""
    stop = ["\x7f", "# x", "é😀", " a\t", "'\"\\\\"]
    shape = {
        "strip": ["seed", "top_k"],
        "defaults": {"top_k": 40, "temperature": 0.7},
        "variants": {"a-exact": {"temperature": 0, "stop": stop}, "a-long": {"max_tokens": 9}},
    }
    base = planned(stack({"a": local(**shape, roles=["default"])}))
    asleep = Process((sys.executable, "-c", "import time; time.sleep(600)"))
    with upstream() as port:
        launch = replace(base.launches[0], port=port, how=asleep, ready=Ready("/health", 30), served_name="a")
        plan = replace(base, launches=(launch,))
        with running(require("llama-swap"), rendered(plan, tmp_path), free_port()) as (process, client):
            assert answers(process, client)

            def sent(model: str, **body: object) -> dict[str, object]:
                """What the engine gets of it."""
                asked = {"messages": [], "model": model, **body}
                reply = client.post("/v1/chat/completions", json=asked)
                assert reply.status_code == 200, reply.text
                log = httpx.get(f"http://127.0.0.1:{port}/log").json()
                found: dict[str, object] = json.loads([row["body"] for row in log if row["body"]][-1])
                made, ours = decided(plan, model, asked), {**found, "model": model}
                assert ours == {key: made[key] for key in made if key != "temperature" or key in found}
                return found

            assert sent("a", seed=1, top_k=3)["top_k"] == 40
            assert "temperature" not in sent("default", n=2)
            assert sent("a", temperature=0.1)["temperature"] == 0.1
            exact = sent("a-exact", temperature=0.9, seed=1)
            assert (exact["temperature"], exact["stop"]) == (0, stop)
            unknown = client.post("/v1/chat/completions", json={"messages": [], "model": "a-long"})
            assert unknown.status_code == 404


def decided(plan: Plan, name: str, body: dict[str, object]) -> dict[str, object]:
    """The body as our gateway would change it."""
    edits = routing.edits(plan, name, "/v1/chat/completions")
    out, added = edits.decide(set(body), {key for key, value in body.items() if value is not None})
    kept = {key: value for key, value in body.items() if key not in out}
    return kept | {key: json.loads(value) for key, value in added.items()}


@pytest.mark.parametrize(
    "example", sorted(path.parent for path in EXAMPLES.glob("*/stack.yaml")), ids=lambda path: path.name
)
def test_it_starts_on_every_example_and_serves_all_its_names(
    example: Path, tmp_path: Path, require: Callable[[str], Path], free_port: Callable[[], int]
) -> None:
    """The engines are those of another machine: none is here to be started."""
    plan = pipeline.make_plan(pipeline.prepare(example / "stack.yaml", example / "host.json"))
    with running(require("llama-swap"), rendered(plan, tmp_path), free_port()) as (process, client):
        assert answers(process, client), (tmp_path / "config.log").read_text()
        listed = {row["id"] for row in client.get("/v1/models").json()["data"]}
    assert listed == {launch.model for launch in plan.launches if launch.owner != "external"}
