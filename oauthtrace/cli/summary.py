"""The summary on the terminal: what a person needs in ten seconds. Inputs, the verdict, then one block an incident."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl

from oauthtrace import incidents
from oauthtrace.causes import causes
from oauthtrace.cli import terminal
from oauthtrace.report.panel import compare
from oauthtrace.report.times import Clock
from oauthtrace.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oauthtrace.analysis import Analysis
    from oauthtrace.sources import Reading

FEW = 5
"""So many incidents are shown without ``--all``."""
MOST_INPUTS = 12
LIKELY = 0.6
CODES = 5
INDENT = 5
"""Column at which an incident's text begins."""

Row = dict[str, Any]
Parts = list[str | tuple[str, str]]


def show(found: Analysis, *, report: Path | str | None = None, every: bool = False) -> None:
    """Print the summary of an analysis."""
    input_rows(found.inputs)
    if found.inputs:
        terminal.show("")
    if found.exchanges.is_empty():
        _nothing(found.inputs)
        return
    clock = Clock(found.exchanges["time"].min(), found.exchanges["time"].max())  # type: ignore[arg-type]
    table = incidents.find(found.failures, found.exchanges).table
    terminal.show((headline(found, table, clock), "bold"), (f"   {clock.whole()}" if clock.whole() else "", "dim"))
    shown = table if every else table.head(FEW)
    widths = [
        max((len(terminal.safe(text)) for text in column), default=0)
        for column in zip(*(_columns(row, clock) for row in shown.iter_rows(named=True)), strict=True)
    ]
    examples = {
        row["id"]: row
        for row in found.failures.filter(pl.col("id").is_in(shown["example"].implode())).iter_rows(named=True)
    }
    for row in shown.iter_rows(named=True):
        terminal.show("")
        _incident(row, examples[row["example"]], clock, widths)
    _end(table, shown, report)


# --- inputs -----------------------------------------------------------------------------------------------------------


def input_rows(readings: list[Reading], *, added: bool = False) -> None:
    """Print one line an input: file, format, records, exchanges, the others, what was rejected and where; then its notes.

    Args:
        readings: the inputs; those that could not be read at all are left out.
        added: say how many exchanges are new.
    """
    read = sorted((r for r in readings if r.format != "unknown"), key=lambda r: -r.exchanges)
    names = short_names([r.file for r in read])
    cells = [
        (
            names[r.file],
            r.format,
            _records(r),
            _count(r.exchanges, "exchange"),
            f"{r.not_oauth:,} not OAuth",
            f"{r.added:,} new" if added else "",
            _rejected(r),
        )
        for r in read[:MOST_INPUTS]
    ]
    widths = [max(len(terminal.safe(cell)) for cell in column) for column in zip(*cells, strict=True)]
    for name, form, records, exchanges, others, new, rejected in cells:
        parts: Parts = [
            name.ljust(widths[0] + 2),
            (form.ljust(widths[1] + 2), "dim"),
            f"{records.rjust(widths[2])}   {exchanges.rjust(widths[3])}",
            (f"   {others.rjust(widths[4])}", "dim"),
        ]
        if added:
            parts.append((f"   {new.rjust(widths[5])}", "bold"))
        terminal.show(*parts, (f"   {rejected}" if rejected else "", "yellow"))
    if rest := read[MOST_INPUTS:]:
        terminal.show(
            (
                f"…and {_count(len(rest), 'more file')}: {_count(sum(r.exchanges for r in rest), 'exchange')}, {sum(r.rejected for r in rest):,} rejected",
                "dim",
            )
        )
    for reading in read[:MOST_INPUTS]:
        reasons = Counter(reject.reason for reject in reading.rejects).most_common(3)
        for note in [*(reason for reason, _ in reasons), *reading.notes]:
            terminal.show((f"{names[reading.file]}: {note}", "yellow"))


def short_names(files: list[str]) -> dict[str, str]:
    """Each file's base name, with as much of its folders as tells it from the others."""
    taken = [Counter(_tail(file, n) for file in files) for n in range(1, 9)]
    return {
        file: next((_tail(file, n) for n, count in enumerate(taken, 1) if count[_tail(file, n)] == 1), file)
        for file in files
    }


def _tail(file: str, count: int) -> str:
    return "/".join(file.split("/")[-count:])


def _records(reading: Reading) -> str:
    captured = reading.format.rpartition(">")[2] in ("har", "mitmproxy-flow")
    return _count(reading.records, "request" if captured else "line")


def _rejected(reading: Reading) -> str:
    if not reading.rejected:
        return ""
    places = [f"{reject.position:,}" for reject in reading.rejects if reject.position is not None]
    where = (
        f" ({'line' if len(places) == 1 else 'lines'} {', '.join(places[:4])}{', …' if len(places) > 4 else ''})"
        if places
        else ""
    )
    return f"{reading.rejected:,} rejected{where}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _nothing(readings: list[Reading]) -> None:
    """Say that nothing is OAuth's, and whose traffic it is instead."""
    total = sum(reading.records for reading in readings)
    hosts: Counter[str] = sum((reading.hosts for reading in readings), Counter())
    seen = (
        f"; hosts seen: {', '.join(f'{host} ({count:,})' for host, count in hosts.most_common(CODES))}" if hosts else ""
    )
    terminal.show((f"0 of {_count(total, 'request')} {'looks' if total == 1 else 'look'} like OAuth", "bold"), seen)
    if total:
        terminal.show(("Capture where sign-ins pass, or name the format with --input-format.", "dim"))


# --- the verdict ------------------------------------------------------------------------------------------------------


def headline(found: Analysis, table: pl.DataFrame, clock: Clock) -> str:
    """The verdict in one line: how many of what fail, since when."""
    flows = found.flows
    signed = flows.filter(pl.col("steps").list.eval(pl.element().is_in(["authorization", "redirection"])).list.any())
    total = flows.height
    failing = found.failures["flow"].n_unique()
    noun = "flow"
    if signed.height and signed["flow"].is_in(found.failures["flow"].implode()).sum() == failing:
        noun, total = "sign-in", signed.height
    if not failing:
        return f"Nothing fails: {_count(total, noun)} looked at, all healthy"
    since = ""
    if table.height == 1 and table["state"][0] == "going on" and (table["requests_before"][0] or 0) > 0:
        since = f" since {clock(table['onset'][0])}"
    return f"{failing:,} of {_count(total, noun)} {'fails' if total == 1 else 'fail'}{since}"


def _columns(incident: Row, clock: Clock) -> tuple[str, str, str]:
    return incident["cause"], _who(incident), _when(incident, clock)


def _incident(incident: Row, example: Row, clock: Clock, widths: list[int]) -> None:
    cause = causes()[incident["cause"]]
    parts: Parts = [(f"{incident['count']:>3}", "bold red"), "  "]
    for text, width, style in zip(_columns(incident, clock), widths, ("bold", "", "dim"), strict=True):
        parts.append((text + " " * (width - len(terminal.safe(text)) + 3), style))
    terminal.show(*parts, certainty(incident))
    if (pair := compared(example)) is not None:
        for line in comparison(*pair, " " * INDENT):
            terminal.console().print(terminal.words(*line), soft_wrap=True)
    else:
        for sentence in example["evidence"][:2]:
            terminal.show(sentence, indent=INDENT)
        for change in (incident["changed"] or [])[:1]:
            name = change["parameter"].removesuffix("_fp").replace("_", " ")
            terminal.show(
                f"Since the onset the {name} is {change['now']}, before it was {change['was']}.", indent=INDENT
            )
    if incident["following"]:
        terminal.show(
            (
                f"{_count(incident['following'], 'more failure')} only follow{'s' if incident['following'] == 1 else ''} from {'it' if incident['count'] == 1 else 'these'}.",
                "dim",
            ),
            indent=INDENT,
        )
    if not example["proof"] and incident["confidence"] < LIKELY and example["alternatives"]:
        terminal.show(doubt(example), indent=INDENT)
    terminal.show((cause.remedy.summary, "bold"), indent=INDENT)


def _who(incident: Row) -> str:
    server = incident["provider"] or incident["host"]
    clients = f"{incident['clients']} clients" if (incident["clients"] or 0) > 1 else None
    return " → ".join(name for name in (incident["client"] or clients, server) if name) or "unknown client"


def _when(incident: Row, clock: Clock) -> str:
    first, last = clock(incident["first"]), clock(incident["last"])
    if incident["first"] is None:
        return ""
    state = (
        {"going on": ", still going on", "over": "", "quiet": ""}.get(incident["state"] or "", "")
        if incident["count"] > 1
        else ""
    )
    return f"{first}{'' if first == last else f' – {last}'}{state}"


def certainty(told: Row) -> tuple[str, str]:
    """How sure an incident's or a failure's cause is, in a word and its style."""
    if told["proof"]:
        return "proved", "green"
    return ("likely", "yellow") if told["confidence"] >= LIKELY else ("possible", "dim")


def doubt(failure: Row) -> tuple[str, str]:
    """What else a failure may be, and what to capture to know; and its style."""
    others = ", ".join(other["cause"] for other in failure["alternatives"][:2])
    return f"Could also be {others}. To know: {causes()[failure['cause']].capture_next}", "dim"


# --- the comparison ---------------------------------------------------------------------------------------------------


COMPARED = (("worked", "worked"), ("reached", "delivered"), ("asked", "authorize"))
"""Label of the other redirect URI, and what its column and that of the difference are named after."""


def compared(failure: Row) -> tuple[str, str, str] | None:
    """The redirect URI that was sent, the label of the one that it should have been, and that one.

    None when the failure is not about redirect URIs, or when there is nothing to compare with.
    """
    if not failure["cause"].startswith("redirect-uri/"):
        return None
    order = COMPARED[::-1] if failure["cause"].endswith("/token-request-differs") else COMPARED
    for label, other in order:
        if failure[f"redirect_vs_{other}"] not in (None, "equal", "absent"):
            return failure["redirect_uri"], label, failure[f"{other}_redirect_uri"]
    return None


def comparison(sent: str, label: str, other: str, indent: str) -> Iterator[Parts]:
    """The lines of two values one above the other, the differing characters marked below each."""
    left, right = compare(sent, other, visible)
    for name, pieces, style in (("sent", left, "bold red"), (label, right, "bold green")):
        yield [indent, f"{name:<8}", *((piece.text, style if piece.differs else "") for piece in pieces)]
        carets = "".join(("^" if piece.differs else " ") * len(piece.text) for piece in pieces).rstrip()
        if carets:
            yield [indent + " " * 8, (carets, style)]


def _end(table: pl.DataFrame, shown: pl.DataFrame, report: Path | str | None) -> None:
    ends = []
    if (more := table.height - shown.height) > 0:
        ends.append(f"…{more} more: --all")
    if table.height:
        ends += [
            f"Whole story: {report or '--report FILE.html'}",
            f"What a word means: oauthtrace explain {table['cause'][0]}",
        ]
    elif report:
        ends.append(f"Report: {report}")
    if ends:
        terminal.show("")
    for end in ends:
        terminal.show((end, "dim"), indent=2)
