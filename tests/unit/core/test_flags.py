from __future__ import annotations

from orchestrator.core.planner.flags import complaints, named

KNOWN = ("--temp", "--top-p", "-c", "--port")
OWNED = {"--port": "serve.port"}


def check(*args: str, known: tuple[str, ...] = KNOWN) -> list[tuple[int, str, str]]:
    return list(complaints(args, known, OWNED, "engine 1.0"))


def test_values_are_no_flags() -> None:
    assert list(named(["--temp", "-1", "-0.5", "x", "-", "--top-p=0.9", "-c"])) == [
        (0, "--temp"),
        (5, "--top-p"),
        (6, "-c"),
    ]


def test_known_flags_pass() -> None:
    assert check("--temp", "0.2", "--top-p=0.9", "-c", "1") == []


def test_an_unknown_flag_offers_the_nearest() -> None:
    assert check("--tmep", "0.2") == [(0, "engine 1.0 has no flag --tmep", "did you mean --temp?")]
    assert check("--zzz") == [(0, "engine 1.0 has no flag --zzz", "`unchecked_args` passes it on as it is")]


def test_a_flag_of_ours_names_the_key_that_decides_it() -> None:
    wanted = [(0, "--port is set by `serve.port`", "take it out, and set `serve.port`")]
    assert check("--port=1") == wanted
    assert check("--port", "1", known=()) == wanted


def test_flags_that_are_not_known_are_not_refused() -> None:
    assert check("--anything", known=()) == []
