"""The view model: what the templates are given. Typed, without any HTML in it; built by :mod:`oauthtrace.report.view`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from oauthtrace.report.chart import Chart
from oauthtrace.report.panel import Panel
from oauthtrace.report.reproduce import Request
from oauthtrace.report.timeline import Timeline


class Figure(NamedTuple):
    """A number that matters and what it says."""

    value: str
    label: str


class Badge(NamedTuple):
    """How sure the cause is: a word, the number where it adds something, and what the word means."""

    level: str
    label: str
    meaning: str


class Check(NamedTuple):
    """How to see that the remedy worked: a command, where there is one, and what it has to show."""

    command: str
    expectation: str


class Other(NamedTuple):
    """A cause that it could have been."""

    title: str
    cause: str
    share: str
    differs: str


class Failed(NamedTuple):
    """One failure in a list. ``moment`` is its time as lists are sorted by."""

    id: str
    time: str
    moment: str
    who: str
    request: str
    answer: str
    source: str
    follows: str


@dataclass(slots=True)
class Detail:
    """All that is told of one incident."""

    statement: str
    meta: list[str]
    meaning: str
    changed: list[str]
    panels: list[Panel]
    change: list[tuple[str, list[str]]]
    summary: str
    check: Check
    timeline: Timeline
    request: Request | None
    curl: str | None
    proved: bool
    evidence: list[str]
    unseen: list[str]
    others: list[Other]
    references: list[str]
    failures: list[Failed]
    failures_title: str
    several: bool
    left_out: str
    markdown: str


@dataclass(slots=True)
class Incident:
    """One row of the table; with ``detail`` where it is shown in full. ``first`` and ``confidence`` are what it is sorted by."""

    id: str
    title: str
    cause: str
    at: str
    who: str
    hit: str
    count: str
    when: str
    state: str
    badge: Badge
    first: str
    confidence: str
    going_on: bool
    detail: Detail | None = None


@dataclass(slots=True)
class Input:
    """One input as it was read."""

    file: str
    format: str
    records: str
    exchanges: str
    rejected: str
    notes: list[str]


@dataclass(slots=True)
class First:
    """The first screen. ``verdict`` has its alarming part and the rest."""

    kicker: str
    verdict: tuple[str, str]
    advice: list[str]
    figures: list[Figure]
    chart: Chart | None


@dataclass(slots=True)
class Report:
    """The whole page. ``postman`` is a collection as JSON, empty when nothing is known well enough to be sent again."""

    title: str
    first: First
    incidents: list[Incident]
    details: list[Incident]
    postman: str
    more: str
    short: str
    inputs: list[Input]
    healthy: list[str]
    notes: list[str]
