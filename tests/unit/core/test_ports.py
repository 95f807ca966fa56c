from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.planner import ports

NAMES = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=40)


@given(NAMES, st.sets(st.integers(ports.FIRST, ports.LAST), max_size=50))
def test_each_has_its_own_port_of_the_range(models: list[str], taken: set[int]) -> None:
    found = ports.assign("stack", models, taken)
    given_ports = list(found.values())
    assert all(port is not None and ports.FIRST <= port <= ports.LAST for port in given_ports)
    assert len(set(given_ports)) == len(models)
    assert not taken & set(given_ports)


@given(NAMES.filter(bool))
def test_a_further_model_at_the_end_moves_no_other(models: list[str]) -> None:
    before = ports.assign("stack", models[:-1], ())
    after = ports.assign("stack", models, ())
    assert {model: after[model] for model in before} == before


def test_a_collision_goes_to_the_next_free_slot() -> None:
    first = ports.preferred("s", "a")
    assert ports.assign("s", ["a"], {first}) == {"a": ports.FIRST + (first - ports.FIRST + 1) % 400}


def test_a_full_range_gives_none() -> None:
    assert ports.assign("s", ["a"], range(ports.FIRST, ports.LAST + 1)) == {"a": None}


def test_ports_are_stable_over_versions() -> None:
    """Clients and firewalls hold on to them."""
    assert [ports.preferred("stack", model) for model in ("tiny", "coder")] == [18627, 18780]
