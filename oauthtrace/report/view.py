"""Builds the view model from the frames of an analysis."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import polars as pl

from oauthtrace import incidents
from oauthtrace.analysis import Analysis
from oauthtrace.causes import causes
from oauthtrace.evidence import duration
from oauthtrace.report.around import cases
from oauthtrace.report.detail import detail
from oauthtrace.report.first import first_screen
from oauthtrace.report.model import Failed, Incident, Input, Report
from oauthtrace.report.postman import collection
from oauthtrace.report.pseudonyms import Pseudonyms
from oauthtrace.report.texts import counted, number, text
from oauthtrace.report.times import Clock
from oauthtrace.report.visible import plain
from oauthtrace.report.words import NAME, Words, badge
from oauthtrace.sources import Reading

DETAILED, LISTED, FAILURES = 30, 200, 1000
"""So many incidents are shown in full, so many in the table, and so many failures one by one."""
INPUTS, REJECTS, NOTES, CLOCKS = 50, 5, 10, 5
CLOCK_OFF_S = 1.5
_LINE = 300

Row = dict[str, Any]


def build(analysis: Analysis, *, title: str | None = None, share: bool = False, detailed: int = DETAILED) -> Report:
    """The view model of an analysis.

    Args:
        analysis: what was found.
        title: of the page; default the verdict.
        share: whether names are replaced by pseudonyms.
        detailed: so many incidents are shown in full.

    """
    exchanges, failures = analysis.exchanges, analysis.failures
    words = Words(_pseudonyms(analysis) if share else plain, Clock(exchanges["time"].min(), exchanges["time"].max()))  # type: ignore[arg-type]
    table, members = incidents.find(failures, exchanges)
    table = table.join(
        failures.select(example="id", sent="redirect_uri"), on="example", how="left", maintain_order="left"
    )
    first = first_screen(analysis, table, members, words)
    listed = [_incident(row, words) for row in table.head(LISTED).iter_rows(named=True)]
    shown = table.head(detailed)
    members_shown = _failures(shown, members, failures, words)
    for incident, case in zip(listed, cases(shown, failures, exchanges), strict=False):
        incident.detail = detail(case, members_shown.get(incident.id, []), words)
    details = [incident for incident in listed if incident.detail]
    title = title or " ".join(part for part in first.verdict if part)
    return Report(
        title=title,
        first=first,
        incidents=listed,
        details=details,
        postman=_collection(title, details),
        more=_more(table),
        short=text("table.short", n=number(len(details))) if len(details) < len(listed) else "",
        inputs=[_input(reading, words) for reading in analysis.inputs[:INPUTS]],
        healthy=_healthy(exchanges),
        notes=_notes(analysis, words, share=share),
    )


def _pseudonyms(analysis: Analysis) -> Pseudonyms:
    def names(*columns: str) -> list[str]:
        return [
            name for c in columns for name in analysis.exchanges[c].drop_nulls().unique(maintain_order=True).to_list()
        ]

    hosts = [host for reading in analysis.inputs for host in reading.hosts if re.fullmatch(r"[\w.:-]+", host)]
    return Pseudonyms(
        clients=names("client_id", "similar_client", "jwt_azp"),
        hosts=[*names("host", "referer_host"), *hosts],
        addresses=names("client_address"),
        programs=names("user_agent"),
        files=list(dict.fromkeys([reading.file for reading in analysis.inputs] + names("source_file"))),
    )


# --- incidents and their failures -----------------------------------------------------------------------------------


def _incident(row: Row, words: Words) -> Incident:
    cause = causes()[row["cause"]]
    return Incident(
        id=row["incident"],
        title=cause.title,
        cause=cause.id,
        at=text("table.at", cause=cause.id, server=words.server(row)),
        who=words.who(row),
        hit=" · ".join(list(words.hit(row))[:2]),
        count=number(row["count"] + row["following"]),
        when=words.when(row, more="incident.from_to", once="incident.once"),
        state=words.state(row),
        badge=badge(row["confidence"], proof=row["proof"]),
        first=_sortable(row["first"]),
        confidence=f"{row['confidence']:.3f}",
        going_on=row["state"] == "going on",
    )


def _collection(title: str, details: list[Incident]) -> str:
    items = [
        (shown.statement, shown.summary, shown.request) for it in details if (shown := it.detail) and shown.request
    ]
    return collection(title, items) if items else ""


def _sortable(moment: datetime | None) -> str:
    return moment.isoformat(timespec="milliseconds") if moment else ""


def _more(table: pl.DataFrame) -> str:
    rest = table.slice(LISTED)
    if rest.is_empty():
        return ""
    counts = rest["cause"].value_counts(sort=True).head(10).rows()
    named = ", ".join(f"{cause} ({number(count)})" for cause, count in counts)
    return text("table.more", n=counted("incident", rest.height), list=named)


_LISTED = (
    "id", "time", "client_id", "method", "host", "path", "url", "status", "error", "error_code", "transport_error",
    "source_file", "source_format", "source_position", "caused_by",
)  # fmt: skip


def _failures(
    shown: pl.DataFrame, members: pl.DataFrame, failures: pl.DataFrame, words: Words
) -> dict[str, list[Failed]]:
    """Incident -> its failures that are listed one by one: the example always, then the earliest."""
    if shown.is_empty():
        return {}
    each = max(FAILURES // shown.height, 5)
    ours = members.join(shown.select("incident", "example"), on="incident", maintain_order="left")
    rank = pl.when(pl.col("id") == pl.col("example")).then(-1).otherwise(pl.int_range(pl.len()).over("incident"))
    picked = ours.filter(rank.rank("ordinal").over("incident") <= each)
    rows = failures.select(_LISTED).join(picked.select("id", "incident"), on="id", maintain_order="left")
    found: dict[str, list[Failed]] = {}
    for row in rows.iter_rows(named=True):
        found.setdefault(row["incident"], []).append(_failed(row, words))
    return found


def _failed(row: Row, words: Words) -> Failed:
    where = f"{row['host'] or ''}{row['path'] or ''}" or row["url"] or ""
    answer = f"{row['status'] or ''} {row['error_code'] or row['error'] or ''}".strip() or row["transport_error"]
    return Failed(
        id=row["id"],
        time=words.clock.exact(row["time"]) if row["time"] else "",
        moment=_sortable(row["time"]),
        who=words.show(row["client_id"] or "", NAME),
        request=f"{words.show(row['method'] or '', 12)} {words.show(where, 160)}".strip(),
        answer=words.show(answer or text("failures.none"), 100),
        source=f"{_file(row['source_file'], words)}, {words.position(row['source_format'], row['source_position'])}",
        follows=row["caused_by"] or "",
    )


# --- what was read --------------------------------------------------------------------------------------------------


def _file(name: str, words: Words) -> str:
    return words.show(name, _LINE).replace("\\", "/").rpartition("/")[2]


def _input(reading: Reading, words: Words) -> Input:
    rejects = []
    for reject in reading.rejects[:REJECTS]:
        where = words.position(reading.format, reject.position) if reject.position is not None else ""
        rejects.append(words.show(f"{where}: {reject.reason}" if where else reject.reason, _LINE))
    if reading.rejected > len(rejects):
        rejects.append(text("read.more_rejects", n=number(reading.rejected - len(rejects))))
    return Input(
        _file(reading.file, words),
        words.show(reading.format, NAME),
        number(reading.records),
        number(reading.exchanges),
        f"{number(reading.rejected)} ({'; '.join(rejects)})" if reading.rejected else "0",
        [words.show(note, _LINE) for note in reading.notes[:NOTES]],
    )


def _healthy(exchanges: pl.DataFrame) -> list[str]:
    counts = exchanges["healthy"].drop_nulls().value_counts(sort=True).rows() if exchanges.height else []
    return [f"{counted('exchange', count)}: {reason}." for reason, count in counts]


def _notes(analysis: Analysis, words: Words, *, share: bool) -> list[str]:
    notes = []
    if len(analysis.inputs) > INPUTS:
        notes.append(text("read.more_inputs", n=number(len(analysis.inputs) - INPUTS)))
    if analysis.exchanges.height:
        off = analysis.exchanges.select("host", "clock_off_s").filter(pl.col("clock_off_s").abs() > CLOCK_OFF_S)
        for host, seconds in (
            off.group_by("host").agg(pl.col("clock_off_s").first()).sort("host").head(CLOCKS).iter_rows()
        ):
            side = text("read.ahead" if seconds > 0 else "read.behind")
            notes.append(text("read.clock", host=words.show(host or "?", NAME), off=duration(seconds), direction=side))
    return [*notes, text("page.secrets"), *([text("page.shared")] if share else [])]
