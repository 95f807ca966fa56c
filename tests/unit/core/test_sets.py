from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.planner import sets

NEEDS = st.dictionaries(
    st.sampled_from([f"m{i}" for i in range(9)]),
    st.fixed_dictionaries({"host": st.integers(0, 10)}, optional={"gpu:0": st.integers(1, 10)}),
    max_size=9,
)
ROOM = {"host": 12, "gpu:0": 10}


def fitting(needs: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {model: need for model, need in needs.items() if sets.fits(ROOM, [need])}


@given(NEEDS)
def test_no_set_exceeds_a_pool_and_residents_are_in_each(needs: dict[str, dict[str, int]]) -> None:
    models = fitting(needs)
    found = sets.maximal(ROOM, ["r"], models)
    for group in found:
        assert group[0] == "r"
        assert sets.fits(ROOM, [models[model] for model in group[1:]])


@given(NEEDS)
def test_sets_are_maximal_and_hold_every_model(needs: dict[str, dict[str, int]]) -> None:
    models = fitting(needs)
    found = sets.maximal(ROOM, [], models)
    assert {model for group in found for model in group} == set(models)
    for group in found:
        rest = [model for model in models if model not in group]
        assert not any(sets.fits(ROOM, [models[m] for m in (*group, other)]) for other in rest)
    assert len(set(found)) == len(found) <= sets.LIMIT


@given(NEEDS, st.data())
def test_any_fitting_group_is_within_a_set(needs: dict[str, dict[str, int]], data: st.DataObject) -> None:
    """While there are fewer than 64 of them, the sets say all that memory allows."""
    models = fitting(needs)
    group = data.draw(st.sets(st.sampled_from(sorted(models)))) if models else set()
    found = sets.maximal(ROOM, [], models)
    if len(found) < sets.LIMIT and sets.fits(ROOM, [models[model] for model in group]):
        assert any(group <= set(one) for one in found)


def test_many_models_end_at_64_sets_in_bounded_time() -> None:
    needs = {f"m{i}": {"host": 10 + i} for i in range(60)}
    found = sets.maximal({"host": 200}, [], needs)
    assert len(found) == 64
    assert {model for group in found for model in group} == set(needs)


def test_one_that_is_alone_shares_with_no_other() -> None:
    needs = {"a": {"host": 1}, "b": {"host": 1}, "c": {"host": 1}}
    assert sets.maximal(ROOM, ["r"], needs, frozenset({"b"})) == (("r", "a", "c"), ("r", "b"))
    assert sets.evictions(ROOM, needs, frozenset({"b"})) == {"a": ("b",), "b": ("a", "c"), "c": ("b",)}


def test_evictions_name_those_that_cannot_run_beside() -> None:
    needs = {"a": {"host": 8}, "b": {"host": 8}, "c": {"host": 2}}
    assert sets.evictions(ROOM, needs) == {"a": ("b",), "b": ("a",), "c": ()}
