"""What a config for llama-swap by itself sets in requests; tests/e2e/test_llama_swap_config.py has the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from orchestrator.core.plan import Plan
from orchestrator.core.swap_config import Config
from orchestrator.core.swap_filters import said
from orchestrator.core.target import Artifact
from orchestrator.core.targets.llama_swap import TARGET, config
from orchestrator.edge import templates
from tests.planned import local, planned, stack
from tests.plans import SITE

NASTY = {"stop": ["\x7f", "# x", "é😀", "'\"\\\\", "\t"], "bias": {"a b": None, "c": [1.5, True]}, "n": -3}


def of(supervisor: str = "auto", **model: Any) -> Plan:
    return planned(stack({"m": local(**model)}, supervisor=supervisor))


def rendered(plan: Plan) -> tuple[Artifact, dict[str, Any]]:
    """The config, and the model's entry as YAML has it."""
    (artifact,) = TARGET.render(plan, templates.render, SITE)
    read = yaml.safe_load(artifact.text)
    assert Config.model_validate(read) == config(plan)
    return artifact, read["models"]["m"]


def test_strip_and_variants_mean_the_same_there() -> None:
    artifact, entry = rendered(of(strip=["seed", "top_k"], variants={"m-exact": NASTY, "m-plain": {}}, aliases=["em"]))
    assert entry["filters"] == {"stripParams": "seed, top_k", "setParamsByID": {"m-exact": NASTY}}
    assert sorted(entry["aliases"]) == ["default", "em", "m-exact", "m-plain"]
    assert artifact.notes == ()
    assert "# Not here" not in artifact.text


def test_a_default_is_said_only_where_the_client_has_no_say() -> None:
    artifact, entry = rendered(of(strip=["temperature"], defaults={"temperature": 0.2, "top_p": 0.9}))
    assert entry["filters"] == {"stripParams": "temperature", "setParams": {"temperature": 0.2}}
    note = "models.m.defaults.top_p: is not set: llama-swap would set it whatever the client says"
    assert artifact.notes == (note,)
    assert f"# Not here: {note}\n" in artifact.text


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"max_tokens": 5}, "max_tokens has another name on other paths, and llama-swap sets this one on all"),
        ({"a.b": 1}, 'llama-swap takes "a.b" for a path'),
        ({"stop": [{"x": "${HOME}"}]}, "`${` would be a macro of llama-swap"),
        ({"stop": {"${HOME}": 1}}, "`${` would be a macro of llama-swap"),
        ({"stop": ["a", "\n\n"]}, "llama-swap loses line breaks in texts"),
    ],
    ids=str,
)
def test_a_variant_that_cannot_be_said_whole_has_no_name_there(values: dict[str, Any], why: str) -> None:
    """Its name is a promise: an unknown model is better than another answer."""
    artifact, entry = rendered(of(variants={"m-odd": {"temperature": 0, **values}, "m-even": {"temperature": 1}}))
    assert entry["filters"] == {"setParamsByID": {"m-even": {"temperature": 1}}}
    assert sorted(entry["aliases"]) == ["default", "m-even"]
    assert artifact.notes == (f"models.m.variants.m-odd: the name is left out: {why}",)
    # the same as a default: left out even where the client has no say
    (key,) = values
    left, entry = rendered(of(strip=[key], defaults=values))
    assert "setParams" not in entry.get("filters", {})
    assert left.notes[-1].endswith(f": is not set: {why}")


def test_a_key_that_is_a_path_or_a_list_is_not_stripped_and_cannot_leave_its_comment() -> None:
    artifact, entry = rendered(of(strip=["a,b", "seed", "x\ny: 1"], defaults={"x\nz: 1": 1}))
    assert entry["filters"] == {"stripParams": "seed"}
    assert artifact.notes[0] == ('models.m.strip: "a,b", "x\\ny: 1" is passed on: llama-swap takes plain names only')
    assert len(artifact.notes) == artifact.text.count("# Not here: ") == 2


def test_what_only_the_gateway_can_limit_is_told() -> None:
    plan = of(serve={"max_tokens": 100})
    model, launch = plan.stack.models["m"], plan.launches[0]
    assert said(model, launch).notes == (), "mlx-lm has a flag for it"
    assert said(model, replace(launch, limits=("/v1/completions",))).notes == (
        "models.m.serve.max_tokens: is not set in requests: mlx-lm has no flag for it",
    )


def test_forms_are_not_changed() -> None:
    plan = of(strip=["seed"], defaults={"language": "en"}, variants={"m-x": {"prompt_": 1}, "m-y": {}})
    found = said(plan.stack.models["m"], replace(plan.launches[0], capabilities=("transcribe",)))
    assert (found.filters, found.silent) == (None, {"m-x"})
    assert [note.partition(": ")[0] for note in found.notes] == [
        "models.m.strip",
        "models.m.defaults",
        "models.m.variants",
    ]


def test_under_our_daemon_the_gateway_does_it() -> None:
    artifact, entry = rendered(of("llama-swap", strip=["seed"], defaults={"n": 1}, variants={"m-x": {"n": 2}}))
    assert "filters" not in entry
    assert "aliases" not in entry
    assert artifact.notes == ()


def test_a_name_of_another_model_is_refused() -> None:
    values = config(of(variants={"m-x": {"n": 2}})).model_dump(by_alias=True, exclude_none=True)
    values["models"]["m"]["aliases"] = []
    with pytest.raises(ValidationError, match="a name that is not its own"):
        Config.model_validate(values)
