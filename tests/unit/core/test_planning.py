"""plan(): what is decided, with its reason, and what is refused, all of it at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from orchestrator.core.plan import Plan
from orchestrator.core.planner.plan_json import plan_to_json
from orchestrator.core.swap_render import config
from orchestrator.errors import PlanError
from tests.planned import ENGINES, GIB, MIB, SWAP, linux, local, mac, planned, said, stack, weights


def problems(error: PlanError) -> dict[str, str]:
    return {problem.where: problem.text for problem in error.problems}


def refused(*args: object, **kwargs: object) -> dict[str, str]:
    with pytest.raises(PlanError) as caught:
        planned(*args, **kwargs)  # type: ignore[arg-type]
    assert caught.value.exit_code == 4
    return problems(caught.value)


def test_the_only_model_is_the_default_and_resident() -> None:
    made = planned(stack({"tiny": local()}))
    assert made.default == "tiny"
    assert said(made, "stack", "default") == ("tiny", "the only model")
    assert said(made, "tiny", "residency") == ("resident", "it is the default model")
    assert made.names == {"tiny": "tiny", "default": "tiny"}


def test_the_role_decides_the_default_among_several() -> None:
    made = planned(stack({"a": local(), "b": local("/w/b", roles=["default", "coding"], aliases=["bee"])}))
    assert made.default == "b"
    assert [launch.serving.residency for launch in made.launches] == ["on-demand", "resident"]
    assert made.names == {"a": "a", "b": "b", "bee": "b", "default": "b", "coding": "b"}


def test_without_the_role_several_models_have_no_default() -> None:
    made = planned(stack({"a": local(), "b": local()}))
    assert made.default is None
    assert "default" not in made.names
    assert {launch.serving.residency for launch in made.launches} == {"on-demand"}


def test_a_ttl_makes_even_the_default_model_on_demand() -> None:
    made = planned(stack({"tiny": local(ttl="10m")}))
    assert made.launch("tiny").serving.residency == "on-demand"
    assert made.launch("tiny").serving.ttl == 600


def test_the_context_is_declared_or_the_models_own() -> None:
    assert said(planned(stack({"m": local(context=4096)})), "m", "context") == ("4096", "declared")
    assert said(planned(stack({"m": local()})), "m", "context") == ("8192", "the model's own maximum")


def test_a_context_longer_than_the_model_was_made_for_is_a_warning() -> None:
    made = planned(stack({"m": local(context=16384)}))
    assert "a context of 16384 is longer than the 8192 the model was made for" in made.warnings[0]


def test_else_the_longest_context_that_fits() -> None:
    known = {"/w/tiny": weights(size=GIB, context=10_000_000)}
    made = planned(stack({"m": local()}), linux(3 * GIB), known)
    value, reason = said(made, "m", "context")
    assert reason == "the longest that fits (the model's own maximum is 10000000)"
    assert int(value) % 256 == 0
    total = made.launch("m").memory[0].total
    pool = made.pools[0]
    assert total <= pool.size - pool.reserve < total + 256 * 5 * 256 * 2


def test_a_resident_leaves_room_for_the_on_demand_model() -> None:
    known = {"/a": weights("/a", GIB, context=10_000_000), "/b": weights("/b", GIB, context=10_000_000)}
    made = planned(stack({"a": local("/a", roles=["default"]), "b": local("/b")}), linux(5 * GIB), known)
    assert made.launch("b").serving.context >= 8192
    assert made.sets == (("a", "b"),)


def test_what_does_not_fit_is_an_error_with_the_arithmetic() -> None:
    known = {"/w/tiny": weights(size=20 * GIB)}
    found = refused(stack({"m": local()}), linux(16 * GIB), known)
    assert found == {
        "models.m": "does not fit: it needs 20.0 GiB: weights 20.0 GiB + KV 5 layers x 256 values x 2 B x 512 tokens x"
        " 1 request = 1.2 MiB, at a context of 512 tokens; the pool `host` has 14.0 GiB (16.0 GiB - 2.0 GiB reserve)"
    }


def test_force_overrules_by_name_and_is_recorded() -> None:
    known = {"/w/tiny": weights(size=20 * GIB)}
    made = planned(stack({"m": local()}), linux(16 * GIB), known, force=frozenset({"m"}))
    assert made.forced == ("m",)
    assert made.launch("m").serving.context == 8192
    assert refused(stack({"m": local()}), force=frozenset({"n"})) == {"": "--force n: there is no such model"}


def test_residents_must_fit_together() -> None:
    known = {"/a": weights("/a", 8 * GIB), "/b": weights("/b", 8 * GIB)}
    two = stack({"a": local("/a", residency="resident"), "b": local("/b", residency="resident")})
    assert set(refused(two, linux(16 * GIB), known)) == {"models.a", "models.b"}


def test_an_on_demand_model_must_fit_beside_the_residents() -> None:
    known = {"/a": weights("/a", 8 * GIB), "/b": weights("/b", 8 * GIB)}
    two = stack({"a": local("/a", roles=["default"]), "b": local("/b")})
    text = refused(two, linux(16 * GIB), known)["models.b"]
    assert "of which the residents a take 8.0 GiB" in text
    forced = planned(two, linux(16 * GIB), known, force=frozenset({"b"}))
    assert forced.sets == (("a", "b"),)


def test_models_that_do_not_fit_together_evict_each_other() -> None:
    known = {f"/{m}": weights(f"/{m}", 6 * GIB) for m in "abc"} | {"/r": weights("/r", MIB)}
    made = planned(
        stack({"r": local("/r", roles=["default"]), **{m: local(f"/{m}") for m in "abc"}}), linux(16 * GIB), known
    )
    assert made.sets == (("r", "a", "b"), ("r", "a", "c"), ("r", "b", "c"))
    assert made.evicts == {"a": (), "b": (), "c": ()}
    assert made.together(frozenset({"r", "a", "b"}))
    assert not made.together(frozenset({"a", "b", "c"}))


def test_memory_kv_is_a_pool_that_must_hold_one_context() -> None:
    made = planned(stack({"m": local(memory={"kv": "64MiB"}, serve={"concurrency": 2})}))
    assert made.launch("m").memory[0].kv == 64 * MIB
    assert not made.warnings
    small = planned(stack({"m": local(memory={"kv": "30MiB"}, serve={"concurrency": 2})}))
    assert small.warnings == ("m: memory.kv is 30.0 MiB, full contexts for all requests would take 40.0 MiB",)
    found = refused(stack({"m": local(memory={"kv": "1MiB"}, context=8192)}))
    assert found == {"models.m": "does not fit: memory.kv is 1.0 MiB, one context of 8192 tokens takes 20.0 MiB"}
    automatic = planned(stack({"m": local(memory={"kv": "10MiB"})}))
    assert said(automatic, "m", "context") == ("4096", "the longest that memory.kv holds")


def test_ports_are_declared_or_stable() -> None:
    made = planned(stack({"a": local(serve={"port": 19000}), "b": local()}))
    assert made.launch("a").port == 19000
    assert 18500 <= (made.launch("b").port or 0) <= 18899
    assert said(made, "a", "port") == ("19000", "serve.port")


def test_ports_that_clash_are_errors() -> None:
    made = stack(
        {"a": local(serve={"port": 18500}), "b": local(serve={"port": 18500}), "c": local(serve={"port": 8484})}
    )
    assert refused(made) == {
        "models.b.serve.port": "port 18500 is already taken by models.a.serve.port",
        "models.c.serve.port": "port 8484 is already taken by endpoint.listen",
    }


def test_the_supervisor() -> None:
    assert said(planned(stack({"m": local()})), "stack", "supervisor") == ("embedded", "auto")
    swap = planned(stack({"m": local()}, supervisor="llama-swap"))
    assert swap.supervisor == "llama-swap"
    assert 18500 <= (swap.swap_port or 0) <= 18899
    assert swap.swap_port != swap.launch("m").port
    missing = refused(stack({"m": local()}, supervisor="llama-swap"), linux(swap=None))
    assert missing == {"supervisor": "llama-swap is not installed"}


def test_unknown_weights_are_told_and_not_an_error() -> None:
    made = planned(stack({"m": {"sources": {"mlx-lm": {"repo": "org/m"}}}}))
    assert made.unknown == ("m",)
    assert made.warnings == ("m: the weights are not here yet, so their memory is not known",)
    assert said(made, "m", "memory")[0] == "not known yet"
    declared = planned(stack({"m": {"sources": {"mlx-lm": {"repo": "org/m"}}, "memory": {"weights": "2GiB"}}}))
    assert declared.unknown == ()
    assert declared.launch("m").memory[0].weights == 2 * GIB


def test_what_is_not_implemented_is_refused_not_ignored() -> None:
    found = refused(stack({"m": local("/m", "apple-foundation")}))
    assert list(found.values()) == ["not yet: backend `apple-foundation` is known, but this version cannot do it"]


def test_a_service_manager_owns_the_residents_alone() -> None:
    models = {"a": local(roles=["default"]), "b": local()}
    made = planned(stack(models, service="login"))
    assert (made.manager, made.managed) == ("systemd", ("a",))
    assert said(made, "b", "owner") == ("supervisor", "it runs on demand")
    assert planned(stack(models, service="boot"), mac()).manager == "launchd"


def test_llama_swap_is_left_what_the_manager_does_not_run() -> None:
    models = {"a": local(roles=["default"]), "b": local()}
    made = planned(stack(models, service="login", supervisor="llama-swap"))
    assert (made.supervisor, list(config(made).models)) == ("llama-swap", ["b"])
    alone = planned(stack({"a": models["a"]}, service="login", supervisor="llama-swap"))
    assert (alone.supervisor, alone.swap_port) == ("embedded", None)
    assert said(alone, "stack", "supervisor")[1] == "systemd runs all residents, and nothing is on demand"


def test_without_a_service_nobody_else_owns_an_engine() -> None:
    models = {"a": local(roles=["default"]), "b": local()}
    assert planned(stack(models)).manager == ""


def test_all_problems_come_at_once_with_their_lines() -> None:
    made = stack({"a": local(serve={"extra_args": ["--tmep", "1"]}), "b": local(family="nope")})
    engines = {"mlx-lm": replace(ENGINES["mlx-lm"], flags=("--temp", "--model", "--host", "--port", "--max-tokens"))}
    found = refused(made, linux(engines=engines))
    assert found["models.a.serve.extra_args.0"] == "mlx-lm 0.32.2 has no flag --tmep"
    assert found["models.b.family"] == "no family nope is known"
    # ours, too, where the engine is too old for them
    assert "--prompt-cache-bytes" in found["models.a.sources.mlx-lm"]


def test_an_attached_server_has_no_port_no_memory_and_no_set() -> None:
    cloud = {"sources": {"openai": {"url": "https://x/v1", "model": "big", "key": {"env": "KEY"}}}}
    made = planned(stack({"cloud": cloud, "m": local(roles=["default"])}))
    launch = made.launch("cloud")
    assert (launch.owner, launch.port, launch.memory, launch.served_name) == ("external", None, (), "big")
    assert made.sets == (("m",),)
    assert made.together(frozenset({"cloud", "m"}))
    only = planned(stack({"cloud": cloud}))
    assert (only.pools, only.sets) == ((), ())


MODELS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", "e"]),
    st.tuples(
        st.sampled_from(["mlx-lm", "vllm-mlx"]),
        st.integers(1, 14_000),
        st.sampled_from([None, 1024, 8192]),
        st.integers(1, 4),
        st.sampled_from(["resident", "on-demand", None]),
    ),
    min_size=1,
)


@settings(max_examples=60, deadline=None)
@given(MODELS, st.booleans())
def test_no_planned_set_exceeds_a_pool_and_planning_is_stable(models: dict[str, tuple], apple: bool) -> None:
    made = stack(
        {
            name: local(
                f"/{name}",
                backend,
                **({"context": context} if context else {}),
                **({"residency": residency} if residency else {}),
                serve={"concurrency": concurrency},
            )
            for name, (backend, _, context, concurrency, residency) in models.items()
        }
    )
    known = {f"/{name}": weights(f"/{name}", size * MIB, 100_000) for name, (_, size, *_) in models.items()}
    host = mac(32 * GIB, 24 * GIB) if apple else linux(16 * GIB)
    try:
        found = planned(made, host, known)
    except PlanError as error:
        others = [problem for problem in error.problems if "does not fit" not in problem.text]
        event("refused")
        if others:
            raise
        return
    residents = {launch.model for launch in found.launches if launch.serving.residency == "resident"}
    (pool,) = found.pools
    for group in found.sets:
        assert residents <= set(group)
        assert sum(found.launch(model).memory[0].total for model in group) <= pool.size - pool.reserve
    assert {model for group in found.sets for model in group} == set(models)
    assert _bytes(found) == _bytes(planned(made, host, dict(reversed(known.items()))))


def _bytes(plan: Plan) -> str:
    return plan_to_json(plan)


def test_what_an_older_llama_swap_lacks_is_told() -> None:
    made = stack({"m": local()}, supervisor="llama-swap")
    old = planned(made, linux(swap=replace(SWAP, version="239")))
    assert old.warnings == ("llama-swap v239 kills an engine that has not stopped after 10 s",)
    assert said(old, "stack", "llama-swap") == ("239", "rendered is what that version knows: /opt/llama-swap")
    unknown = planned(made, linux(swap=replace(SWAP, version="0")))
    assert said(unknown, "stack", "llama-swap") == ("unknown", "it does not say its version: /opt/llama-swap")


def test_a_kv_cache_of_unknown_size_is_told() -> None:
    known = {"/w/tiny": weights(kv=())}
    assert planned(stack({"m": local()}), known=known).warnings == (
        "m: the size of its KV cache is not known and not planned: declare memory.kv",
    )
    assert not planned(stack({"m": local(memory={"kv": "1GiB"})}), known=known).warnings
