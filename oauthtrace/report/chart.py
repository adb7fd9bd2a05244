"""The time chart: how many flows succeeded and failed in each stretch of time, where it went wrong, and the ticks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from oauthtrace.evidence import duration
from oauthtrace.report.texts import number, plural, text
from oauthtrace.report.times import Clock, nice_step

WIDTH, HEIGHT, TOP = 1000, 130, 44
BARS, TICKS = 80, 8
_GAP = 1.5
_CHARACTER = 6.4


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of time."""

    x: float
    width: float
    worked_y: float
    worked_height: float
    failed_y: float
    failed_height: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled place on the time axis."""

    x: float
    label: str
    anchor: str = "middle"
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """All that the drawing needs; lengths in units of the view box."""

    width: int
    height: int
    base: float
    bars: list[Bar]
    ticks: list[Mark]
    onset: Mark | None
    summary: str
    unit: str


def chart(flows: pl.DataFrame, noun: str, clock: Clock, onset: tuple[datetime, str, str] | None) -> Chart | None:
    """The chart of flows (columns ``first``, ``bad``); None when they have no times or all the same one.

    Args:
        flows: one row a flow.
        noun: what the flows are called, a key of the texts.
        clock: how times are written.
        onset: when failing began, with label and detail.

    """
    timed = flows.drop_nulls("first")
    if timed.height < 2 or timed["first"].n_unique() < 2:
        return None
    start: datetime = timed["first"].min()  # type: ignore[assignment]
    end: datetime = timed["first"].max()  # type: ignore[assignment]
    step = nice_step((end - start).total_seconds(), BARS)
    origin = _origin(start, step, onset)
    place = ((pl.col("first") - origin).dt.total_microseconds() // int(step * 1e6)).alias("bar")
    counts = timed.group_by(place).agg(failed=pl.col("bad").sum(), all=pl.len()).sort("bar")
    bars = int(counts["bar"].max() or 0) + 1  # type: ignore[arg-type]
    highest = int(counts["all"].max() or 1)  # type: ignore[arg-type]
    wide = WIDTH / bars
    drawn = []
    for place, failed, count in counts.iter_rows():
        bar = _bar(place, failed, count, wide, highest)
        drawn.append(replace(bar, label=f"{clock(origin + timedelta(seconds=place * step))}: {bar.label}"))
    worst = counts.sort("failed", descending=True).row(0, named=True)
    failed_total = int(timed["bad"].sum())
    summary = text(
        "chart.summary", all=number(timed.height), noun=plural(f"nouns.{noun}", timed.height), first=clock(start), last=clock(end), failed=number(failed_total),
        most=number(worst["failed"]), when=clock(origin + timedelta(seconds=worst["bar"] * step)),
    )  # fmt: skip
    scale = WIDTH / (bars * step)
    unit = text("chart.unit", noun=plural(f"nouns.{noun}", 2), width=duration(step))
    return Chart(
        WIDTH,
        TOP + HEIGHT + 24,
        TOP + HEIGHT,
        drawn,
        _ticks(origin, bars * step, clock),
        _onset(onset, origin, scale),
        summary,
        unit,
    )


def _origin(start: datetime, step: float, onset: tuple[datetime, str, str] | None) -> datetime:
    """Where the first bar begins: so that the onset stands between two bars."""
    if onset is None:
        return _floor(start, step)
    before = max(onset[0] - start, timedelta(0)) // timedelta(seconds=step) + 1
    return onset[0] - before * timedelta(seconds=step)


def _bar(place: int, failed: int, count: int, wide: float, highest: int) -> Bar:
    """One bar, its failing part on top and never invisible."""
    tall = HEIGHT * count / highest
    red = max(HEIGHT * failed / highest, 2.5) if failed else 0.0
    grey = max(tall - red, 0.0) if failed < count else 0.0
    base = TOP + HEIGHT
    gap = min(_GAP, wide / 5)
    return Bar(
        round(place * wide + gap / 2, 2),
        round(wide - gap, 2),
        round(base - grey, 2),
        round(grey, 2),
        round(base - grey - red, 2),
        round(red, 2),
        f"{number(count - failed)} {text('chart.worked')}, {number(failed)} {text('chart.failed')}",
    )


def _floor(moment: datetime, step: float) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    micro = int((moment - midnight) / timedelta(microseconds=1))
    size = int(step * 1e6)
    return midnight + timedelta(microseconds=micro // size * size)


def _ticks(origin: datetime, span_s: float, clock: Clock) -> list[Mark]:
    step = nice_step(span_s, TICKS)
    at = _floor(origin, step)
    marks = []
    while (offset := (at - origin).total_seconds()) < span_s:
        x = WIDTH * offset / span_s
        if 0 <= x <= WIDTH - 20:
            label = clock.exact(at) if step < 1 else clock(at)
            room = _CHARACTER * len(label) / 2
            marks.append(Mark(round(x, 1), label, "start" if x < room else "end" if x > WIDTH - room else "middle"))
        at += timedelta(seconds=step)
    return marks


def _onset(onset: tuple[datetime, str, str] | None, origin: datetime, scale: float) -> Mark | None:
    if onset is None:
        return None
    moment, label, detail = onset
    x = (moment - origin).total_seconds() * scale
    if not 0 <= x <= WIDTH:
        return None
    longest = _CHARACTER * max(len(label) + 1, len(detail))
    return Mark(round(x, 1), label, "end" if x - longest - 6 > 0 else "start", detail if longest < WIDTH else "")
