"""Why a flow failed, told as soon as it did: the same pipeline as ``analyze``, over the last exchanges."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from oauthtrace import exchange
from oauthtrace.analysis import Analysis, analyze_frame
from oauthtrace.causes import UNKNOWN, causes
from oauthtrace.cli import summary, terminal
from oauthtrace.correlate import BROKEN_ANSWERS

if TYPE_CHECKING:
    from collections.abc import Iterable

Row = dict[str, Any]
Parts = list[str | tuple[str, str]]
KEPT = 5000
"""So many exchanges are compared with each other; older ones are in the database."""
SETTLE_S = 0.1
"""So long a failure waits for the next exchange, which may mend it (a refresh, a second try) or tell more of it."""
QUIET_S = 0.4
"""So long what looks healthy waits: it can still turn out to be a failure by what is around it."""
SHARE, QUIET_SHARE = 0.3, 8.0
"""Pause between two analyses, as a multiple of what the last one took."""
ROOT_S = 5.0
"""A failure that follows from one of its own flow so shortly before is told in one line."""
MOST_KINDS = 5000
MOST_STEPS = 6
_INDENT = " " * 10


class Finding(NamedTuple):
    """Something new about one exchange: ``cause`` is None when an earlier finding is withdrawn."""

    number: int
    cause: str | None
    line: str
    block: list[Parts]
    is_brief: bool
    key: tuple[str | None, ...]

    def text(self) -> str:
        """The block without styles."""
        return "\n".join("".join(p if isinstance(p, str) else p[0] for p in parts) for parts in self.block)


@dataclass(slots=True)
class _Told:
    cause: str
    number: int


class Live:
    """The last exchanges of a capture, and what was told of them.

    Args:
        label: ``source_file`` of this capture's exchanges.
        before: what the database holds of earlier days: what worked then tells why something fails now.
    """

    def __init__(self, label: str, before: pl.DataFrame | None = None) -> None:
        self._label = label
        self._frame = exchange.empty() if before is None else before.tail(KEPT)
        self._waiting: list[Row] = []
        self._numbers: dict[str, int] = {}
        self._told: dict[str, _Told] = {}
        self._changed_at, self._seems_failed = 0.0, False
        self._looked_at, self._cost = 0.0, 0.0
        self.count = 0

    def warm_up(self) -> None:
        """Load what an analysis needs, so that the first one is as fast as the others."""
        facts = {"id": "0", "step": "token", "method": "POST", "host": "warm.up", "path": "/token", "url": "https://warm.up/token", "status": 400, "error": "invalid_grant", "source_file": "", "source_format": "", "source_position": 0, "sees": [], "facts": []}  # fmt: skip
        analyze_frame(exchange.frame([facts]))

    def add(self, rows: list[Row]) -> None:
        """Take in new exchanges, which have their ids."""
        if not rows:
            return
        self.count += len(rows)
        self._numbers |= {row["id"]: row["source_position"] for row in rows}
        self._waiting += rows
        if len(self._waiting) > KEPT:
            self._settle()
        self._changed_at = self._changed_at or time.monotonic()
        self._seems_failed = self._seems_failed or any(map(_seems_failed, rows))

    def _settle(self) -> None:
        """Put what came since the last time beside what is kept; once for each look, since it costs milliseconds."""
        if not self._waiting:
            return
        new = exchange.frame(self._waiting).unique("id", keep="first", maintain_order=True)
        self._waiting = []
        self._frame = pl.concat([self._frame.join(new.select("id"), on="id", how="anti", maintain_order="left"), new])
        if self._frame.height > KEPT * 1.2:
            self._frame = self._frame.tail(KEPT)
            kept = set(self._frame["id"])
            self._numbers = {key: number for key, number in self._numbers.items() if key in kept}
            self._told = {key: told for key, told in self._told.items() if key in kept}

    def is_due(self) -> bool:
        """Whether it is time to look at what is new."""
        if not self._changed_at:
            return False
        now = time.monotonic()
        settle, share = (SETTLE_S, SHARE) if self._seems_failed else (QUIET_S, QUIET_SHARE)
        return now - self._changed_at >= settle and now - self._looked_at >= self._cost * share

    def look(self) -> list[Finding]:
        """Analyse; what is new since the last time, in time order."""
        self._changed_at, self._seems_failed = 0.0, False
        began = time.monotonic()
        found = analyze_frame(self.frame)
        findings = [*self._new(found), *self._withdrawn(found)]
        self._looked_at = time.monotonic()
        self._cost = self._looked_at - began
        return findings

    def _new(self, found: Analysis) -> Iterable[Finding]:
        failures = found.failures.filter(pl.col("id").is_in(list(self._numbers))).sort("time", nulls_last=True)
        roots = {row["id"]: row for row in found.failures.iter_rows(named=True)}
        for row in failures.iter_rows(named=True):
            told = self._told.get(row["id"])
            if told is not None and told.cause == row["cause"]:
                continue
            number = self._numbers[row["id"]]
            self._told[row["id"]] = _Told(row["cause"], number)
            steps = found.exchanges.filter(pl.col("flow") == row["flow"]).sort("n")
            before, root = told.cause if told else None, roots.get(row["caused_by"] or "")
            yield finding(row, number, list(steps.iter_rows(named=True)), before, root)

    def _withdrawn(self, found: Analysis) -> Iterable[Finding]:
        still = set(found.failures["id"])
        for key in [key for key in self._told if key not in still]:
            told = self._told.pop(key)
            row = found.exchanges.row(by_predicate=pl.col("id") == key, named=True)
            why = str(row["healthy"] or "what followed shows that it was no failure")
            block: list[Parts] = [[f"{row['time']:%H:%M:%S}  ", (told.cause, "bold"), f"  needs no mending: {why}"]]
            yield Finding(told.number, None, "", block, is_brief=False, key=("withdrawn", key))

    @property
    def frame(self) -> pl.DataFrame:
        """The exchanges that are compared with each other."""
        self._settle()
        return self._frame

    def analysis(self) -> Analysis | None:
        """What was found in this capture; None when it had more exchanges than are kept here."""
        if self.count > KEPT:
            return None
        found = analyze_frame(self.frame)
        ours = pl.col("source_file") == self._label
        return Analysis(found.exchanges.filter(ours), found.failures.filter(ours), [])


def _seems_failed(row: Row) -> bool:
    status = row.get("status")
    return (
        status is None
        or status >= 400
        or bool(row.get("error") or row.get("error_code") or row.get("transport_error"))
        or not set(BROKEN_ANSWERS).isdisjoint(row.get("facts") or ())
    )


# --- the block ----------------------------------------------------------------------------------------------------------


def finding(row: Row, number: int, steps: list[Row], before: str | None = None, root: Row | None = None) -> Finding:
    """What is told of one failure.

    Args:
        row: the failure, as ``analyze`` gives it.
        number: its number in the capture.
        steps: the exchanges of its flow, in order.
        before: the cause that was told of it before.
        root: the failure that it follows from.
    """
    cause = causes()[row["cause"]]
    certainty, style = summary.certainty(row)
    who = " → ".join(name for name in (row["client_id"], row["provider"] or row["host"]) if name)
    when = f"{row['time']:%H:%M:%S}" if row["time"] else "--:--:--"
    head: Parts = [f"{when}  ", (row["cause"], "bold red"), f"   {who}   ", (certainty, style)]
    if before:
        head.append((f"   (not {before}, as it seemed)", "dim"))
    block: list[Parts] = [head, *_evidence(row)]
    if certainty == "possible" and row["alternatives"]:
        block.append([_INDENT, summary.doubt(row)])
    block.append([_INDENT, (cause.remedy.summary, "bold")])
    block.append([_INDENT, (" › ".join(_step(step) for step in _around(steps, row["id"])), "dim")])
    line = f"{row['cause']} ({certainty}): {cause.remedy.summary}"
    if root is not None:
        follows = f"follows from {root['cause']}{_at(root)}"
        line = f"{row['cause']}: {follows}"
        head.append((f"   {follows}", "dim"))
    key = (row["cause"], row["client_id"], row["host"], row["error"])
    return Finding(number, row["cause"], line, block, is_brief=root is not None and _is_near(row, root), key=key)


def _at(row: Row) -> str:
    return f" at {row['time']:%H:%M:%S}" if row["time"] else ""


def _is_near(row: Row, root: Row) -> bool:
    if row["flow"] != root["flow"]:
        return False
    return not (row["time"] and root["time"]) or abs((row["time"] - root["time"]).total_seconds()) < ROOT_S


def _evidence(row: Row) -> Iterable[Parts]:
    pair = summary.compared(row)
    if pair is None:
        for sentence in row["evidence"][:3]:
            yield [_INDENT, sentence]
        return
    yield from summary.comparison(*pair, _INDENT)


def _around(steps: list[Row], failing: str) -> list[Row]:
    """The failing step and what came before it."""
    at = next((i for i, step in enumerate(steps) if step["id"] == failing), len(steps) - 1)
    return steps[max(at + 1 - MOST_STEPS, 0) : at + 1]


def _step(step: Row) -> str:
    answer = step["status"] if step["status"] is not None else "no answer"
    error = f" {step['error']}" if step["failed"] and step["error"] else ""
    return f"{step['method'] or ''} {step['path'] or '/'} {answer}{error}".strip()


class Printer:
    """Prints findings; of many of one kind the first in full and then how often it came again."""

    def __init__(self) -> None:
        self._times: Counter[tuple[str | None, ...]] = Counter()

    def show(self, findings: list[Finding]) -> None:
        """Print what is new, as one write."""
        with terminal.console().capture() as captured:
            for found in findings:
                if found.is_brief:
                    if found.cause != UNKNOWN:
                        _print_block(found.block[:1])
                    continue
                if len(self._times) > MOST_KINDS:
                    self._times.clear()
                self._times[found.key] += 1
                if self._times[found.key] == 1:
                    _print_block(found.block)
                else:
                    again = f"   again, {self._times[found.key]} times now"
                    terminal.console().print(terminal.words(*found.block[0][:3], (again, "dim")), soft_wrap=True)
        if text := captured.get():
            terminal.emit(text)


def _print_block(block: list[Parts]) -> None:
    console = terminal.console()
    if len(block) > 1:
        console.print()
    for parts in block:
        text = terminal.words(*parts)
        indent = len(_INDENT) if parts[0] == _INDENT else 0
        if not indent or len(text) <= console.width:
            console.print(text, soft_wrap=True)
            continue
        for line in text[indent:].wrap(console, max(console.width - indent, 20)):
            console.print(terminal.words(_INDENT).append_text(line), soft_wrap=True)
