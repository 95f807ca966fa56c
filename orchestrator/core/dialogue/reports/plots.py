"""The geometry of the report's plots, in pixels of their own viewBox: values only, the template draws them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.core.dialogue.findings import Episode, Pace
from orchestrator.core.dialogue.survival import Hazard, Point

WIDTH, HEIGHT = 440, 250
"""Small, so that its letters are still read where the page is 340 pixels wide."""
LEFT, RIGHT, TOP, BOTTOM = 48, 22, 30, 40
LANE, LANES, MARGIN = 13, 40, 8
"""Height of an episode's lane; lanes drawn at most; what is left free above and beside them, which have no scale."""
Series = tuple[str, Sequence[Episode]]


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Curve:
    """line, band: SVG path data; side: "a" or "b"."""

    side: str
    line: str
    band: str


@dataclass(frozen=True, slots=True)
class Bar:
    """low, high: y of the whisker's ends; middle: its x."""

    side: str
    x: float
    y: float
    width: float
    height: float
    middle: float
    low: float
    high: float
    title: str


@dataclass(frozen=True, slots=True)
class Dot:
    side: str
    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One episode; failed: whether its end `x` is a failure or only the end of what was asked."""

    side: str
    y: float
    x: float
    failed: bool
    title: str


@dataclass(frozen=True, slots=True)
class Plot:
    """left, right, top, bottom: the frame in which data is drawn."""

    title: str
    caption: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    curves: tuple[Curve, ...] = ()
    bars: tuple[Bar, ...] = ()
    dots: tuple[Dot, ...] = ()
    lanes: tuple[Lane, ...] = ()
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


Scale = Callable[[float], float]


def scale(low: float, high: float, start: float, end: float) -> Scale:
    """Linear from low..high to start..end, two decimals."""
    span = (high - low) or 1.0
    return lambda value: round(start + (value - low) / span * (end - start), 2)


def ticks(high: float, most: int = 5) -> list[float]:
    """0 and round steps (1, 2, 5 times a power of ten) up to the first at or above `high`."""
    rough = (high or 1.0) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [round(step * i, 10) for i in range(math.ceil(high / step - 1e-9) + 1)] if high > 0 else [0.0, step]


def survival_plot(curves: Sequence[tuple[str, Sequence[Point]]], title: str, caption: str) -> Plot:
    """curves: (side, points)."""
    last = max(points[-1].turn for _, points in curves)
    across = scale(0, last, LEFT, WIDTH - RIGHT)
    up = scale(0, 1, HEIGHT - BOTTOM, TOP)
    return Plot(
        title,
        caption,
        "turn",
        "episodes without a failure",
        _turns(last, across),
        tuple(Tick(up(share), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)),
        curves=tuple(_curve(side, points, across, up) for side, points in curves),
    )


def _curve(side: str, points: Sequence[Point], across: Scale, up: Scale) -> Curve:
    def stepped(values: Sequence[tuple[int, float]]) -> list[str]:
        """Corners of a line on which each value holds until the next one's place; it begins at turn 0 with all."""
        corners, held = [f"{across(0)} {up(1)}"], 1.0
        for turn, value in values:
            corners += [f"{across(turn)} {up(held)}", f"{across(turn)} {up(value)}"]
            held = value
        return corners

    line = stepped([(point.turn, point.share) for point in points])
    high = stepped([(point.turn, point.high) for point in points])
    low = stepped([(point.turn, point.low) for point in points])
    return Curve(side, "M" + "L".join(line), "M" + "L".join([*high, *low[::-1]]) + "Z")


def hazard_plot(series: Sequence[tuple[str, Sequence[Hazard]]], title: str, caption: str) -> Plot:
    """Bars with Wilson's whiskers, side by side for two series; the axis ends where the tallest whisker is still seen
    beside the tallest bar."""
    bins = max((rows for _, rows in series), key=len)
    tallest = max(row.rate for _, rows in series for row in rows)
    most = max(row.high for _, rows in series for row in rows)
    marks = ticks(min(most, max(3 * tallest, 0.1)))
    across = scale(0, len(bins), LEFT, WIDTH - RIGHT)
    up = scale(0, marks[-1], HEIGHT - BOTTOM, TOP)
    return Plot(
        title,
        caption,
        "turns",
        "first failures per turn",
        tuple(Tick(across(i + 0.5), f"{row.first}–{row.last}") for i, row in _labelled(bins)),
        tuple(Tick(up(mark), f"{mark:.3g}") for mark in marks),
        bars=tuple(
            _bar(side, place, len(series), i, row, across, up)
            for place, (side, rows) in enumerate(series)
            for i, row in enumerate(rows)
        ),
    )


def _labelled(bins: Sequence[Hazard]) -> list[tuple[int, Hazard]]:
    """At most six labels fit side by side."""
    every = math.ceil(len(bins) / 6)
    return [(i, row) for i, row in enumerate(bins) if i % every == 0]


def _bar(side: str, place: int, of: int, number: int, row: Hazard, across: Scale, up: Scale) -> Bar:
    width = (across(1) - across(0)) * 0.7
    x = across(number) + (across(1) - across(0)) * 0.15 + width * place / of
    wide, floor, ceiling = width / of, up(0), TOP
    title = f"turns {row.first} to {row.last}: {row.failures} failures in {row.at_risk} turns at risk"
    y, high = max(up(row.rate), ceiling), max(up(row.high), ceiling)
    middle = round(x + wide / 2, 2)
    return Bar(side, round(x, 2), y, round(wide, 2), round(floor - y, 2), middle, up(row.low), high, title)


def pace_plot(series: Sequence[tuple[str, Sequence[Pace]]], title: str, caption: str) -> Plot:
    """Milliseconds to the first token against the tokens of the prompt."""
    xs = ticks(max(one.prompt_tokens for _, rows in series for one in rows))
    ys = ticks(max(one.first * 1000 for _, rows in series for one in rows))
    across, up = scale(0, xs[-1], LEFT, WIDTH - RIGHT), scale(0, ys[-1], HEIGHT - BOTTOM, TOP)
    return Plot(
        title,
        caption,
        "prompt tokens",
        "milliseconds to the first token",
        tuple(Tick(across(mark), f"{mark:,.0f}") for mark in xs),
        tuple(Tick(up(mark), f"{mark:,.4g}") for mark in ys),
        dots=tuple(
            Dot(side, across(one.prompt_tokens), up(one.first * 1000), _told(one))
            for side, rows in series
            for one in rows
        ),
    )


def _told(one: Pace) -> str:
    return f"turn {one.turn}: {one.prompt_tokens:,} tokens, {one.new_tokens:,} new: {one.first * 1000:,.0f} ms"


def episode_plot(series: Sequence[Series], title: str, caption: str) -> Plot:
    """A lane an episode, up to its first failure or as far as it went."""
    rows = [(side, one) for side, episodes in series for one in episodes][:LANES]
    last = max(one.failed or one.turns for _, one in rows)
    across, bottom = scale(0, last, MARGIN, WIDTH - RIGHT), MARGIN + LANE * len(rows)
    return Plot(
        title,
        caption,
        "turn",
        "",
        _turns(last, across),
        (),
        lanes=tuple(_lane(side, i, one, across) for i, (side, one) in enumerate(rows)),
        height=bottom + BOTTOM,
        left=MARGIN,
        top=MARGIN,
        bottom=bottom,
    )


def _lane(side: str, number: int, one: Episode, across: Scale) -> Lane:
    turn = one.failed or one.turns
    how = f"{one.code} at turn {turn}" if one.failed else f"clean for {turn} turns"
    return Lane(side, MARGIN + LANE * (number + 0.5), across(turn), one.failed is not None, f"seed {one.seed}: {how}")


def _turns(last: int, across: Scale) -> tuple[Tick, ...]:
    return tuple(Tick(across(mark), f"{mark:.0f}") for mark in ticks(last) if mark <= last and mark == int(mark))
