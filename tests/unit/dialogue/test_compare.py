from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.dialogue import compare as comparing
from orchestrator.core.dialogue.compare import compare, mcnemar, sign_flips
from orchestrator.core.dialogue.findings import Episode
from tests.unit.dialogue.episodes import failing, some_episodes


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (1, 1, 1.0),
        (0, 5, 2 / 2**5),
        (0, 6, 2 / 2**6),
        (2, 10, 2 * (1 + 12 + 66) / 2**12),
        (86, 150, 3.716e-05),  # Agresti, Categorical Data Analysis, 10.1: approval of a prime minister, exact test
    ],
)
def test_mcnemar_as_in_the_textbook(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(p, rel=1e-3)


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_symmetric_and_a_probability(one: int, other: int) -> None:
    assert mcnemar(one, other) == mcnemar(other, one)
    assert 0 < mcnemar(one, other) <= 1
    assert mcnemar(one, one) == 1


@given(st.lists(st.integers(-40, 40), max_size=9))
def test_sign_flips_counts_every_assignment(differences: list[int]) -> None:
    seen = abs(sum(differences))
    flips = list(product((1, -1), repeat=len(differences)))
    sums = [sum(sign * one for sign, one in zip(signs, differences, strict=True)) for signs in flips]
    assert sign_flips(differences) == pytest.approx(sum(abs(one) >= seen for one in sums) / len(sums))
    assert sign_flips(differences) == sign_flips([-one for one in differences])


def test_many_pairs_are_close_to_the_exact_count(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(4)
    differences = [chance.randint(-40, 44) for _ in range(300)]
    exact = sign_flips(differences)
    monkeypatch.setattr(comparing, "EXACT", 0)
    assert sign_flips(differences) == pytest.approx(exact, abs=0.005)


@given(some_episodes(), some_episodes())
def test_the_sides_may_be_exchanged(a: list[Episode], b: list[Episode]) -> None:
    found, other = compare(a, b), compare(b, a)
    assert (found.pairs, found.p, found.both_clean, found.both_failed) == (
        other.pairs,
        other.p,
        other.both_clean,
        other.both_failed,
    )
    assert (found.only_a_failed, found.only_b_failed) == (other.only_b_failed, other.only_a_failed)
    assert {found.better, other.better} in ({None}, {"A", "B"})
    assert found.both_clean + found.both_failed + found.only_a_failed + found.only_b_failed == found.pairs


@given(some_episodes(fewest=1))
def test_nothing_differs_from_itself(episodes: list[Episode]) -> None:
    found = compare(episodes, episodes)
    assert (found.p, found.better, found.gain) == (1.0, None, None)
    assert found.words.startswith("no difference shown in")


def test_a_real_difference_is_said_with_its_size() -> None:
    found = compare(failing(*[None] * 8), failing(5, 9, 12, 20, 22, 30, 31, 38))
    assert found.better == "A"
    assert found.p == pytest.approx(2 * 2 / 2**8)
    assert found.words.startswith("the difference is real (p = 0.016, 8 pairs): A holds longer, by 20.1 clean turns (")
    assert found.gain is not None
    assert found.gain.estimate == pytest.approx(sum(41 - turn for turn in (5, 9, 12, 20, 22, 30, 31, 38)) / 8)
    other = compare(failing(5, 9, 12, 20, 22, 30, 31, 38), failing(*[None] * 8))
    assert other.better == "B"
    assert "B holds longer, by 20.1 clean turns (" in other.words


def test_both_fail_and_one_much_later() -> None:
    found = compare(failing(30, 33, 28, 36, 31, 29, 35, 38), failing(4, 6, 5, 8, 3, 5, 7, 9))
    assert (found.both_failed, found.p_episodes, found.better) == (8, 1.0, "A")


def test_five_pairs_can_show_nothing_and_say_so() -> None:
    found = compare(failing(*[None] * 5), failing(1, 1, 1, 1, 1))
    assert found.better is None
    assert found.words == "no difference shown in 5 pairs (p = 0.12); fewer than 7 cannot show one"
    assert compare(failing(*[None] * 7), failing(*[1] * 7)).better == "A"


def test_only_the_same_seed_makes_a_pair() -> None:
    a, b = failing(None, 3), [Episode("free_run", 1, 2, 2), Episode("free_run", 7, 40), Episode("raw", 0, 40)]
    found = compare(a, b)
    assert (found.pairs, found.unpaired) == (1, 3)
    assert compare(a, []).words == "nothing to compare: no seed was walked on both sides"


def test_an_episode_that_was_cut_short_proves_nothing_of_later_turns() -> None:
    short = [Episode("free_run", 0, 10)]
    assert compare(short, failing(25)).both_clean == 1
    assert compare(short, failing(9)).only_b_failed == 1


def test_chance_alone_is_seldom_called_real() -> None:
    chance = random.Random(8)

    def walked() -> list[Episode]:
        return failing(*(next((turn for turn in range(1, 41) if chance.random() < 0.03), None) for _ in range(12)))

    assert sum(compare(walked(), walked()).better is not None for _ in range(200)) <= 14
