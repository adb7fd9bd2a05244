"""The main job: inputs -> exchanges -> flows -> failures with causes; and what all of that looks like as a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from oauthtrace import correlate, diagnose, exchange
from oauthtrace.causes import causes
from oauthtrace.context import add_context
from oauthtrace.privacy import Redactor, load_key
from oauthtrace.sources import Reading
from oauthtrace.sources.intake import Progress, read_inputs
from oauthtrace.sources.user import as_described

CONTEXT = timedelta(days=1)
"""So much before ``since`` is taken from a database too: what worked before tells why something fails now."""


@dataclass(slots=True)
class Analysis:
    """What was found. The three frames are what everything else is made of.

    Attributes:
        exchanges: every OAuth exchange, columns of :mod:`oauthtrace.exchange`, of correlation and of context.
        failures: one row a failed exchange, with cause, confidence, proof, evidence, alternatives and caused_by.
        inputs: one reading an input: format, records, exchanges, rejected records with their reasons, notes.
    """

    exchanges: pl.DataFrame
    failures: pl.DataFrame
    inputs: list[Reading]

    @property
    def flows(self) -> pl.DataFrame:
        """One row a flow: when, who, how many steps, whether it failed, and its root cause."""
        roots = (
            self.failures.filter(pl.col("caused_by").is_null())
            .group_by("flow", maintain_order=True)
            .agg(pl.col("cause").last())
        )
        return (
            self.exchanges.group_by("flow", maintain_order=True)
            .agg(
                first=pl.col("time").min(),
                last=pl.col("time").max(),
                exchanges=pl.len(),
                steps=pl.col("step"),
                client_id=pl.col("client_id").drop_nulls().first(),
                provider=pl.col("provider").drop_nulls().first(),
                host=pl.col("host").drop_nulls().first(),
                failed=pl.col("failed").any(),
                joined_by=pl.col("joined_by").drop_nulls().unique(maintain_order=True),
            )
            .join(roots, on="flow", how="left", maintain_order="left")
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON document ``oauthtrace/1``."""
        failures = [failure_document(row) for row in self.failures.iter_rows(named=True)]
        counted = self.failures["cause"].value_counts(sort=True).rows() if self.failures.height else []
        return {
            "schema": "oauthtrace/1",
            "inputs": [input_document(reading) for reading in self.inputs],
            "summary": {
                "exchanges": self.exchanges.height,
                "flows": self.exchanges["flow"].n_unique(),
                "failures": self.failures.height,
                "by_cause": dict(sorted(counted, key=lambda c: (-c[1], c[0]))),
            },
            "failures": failures,
        }

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, what to change, and the incidents."""
        from oauthtrace.report.page import summary  # noqa: PLC0415 - jinja2 only for those who look

        return summary(self)

    def write_report(self, file: str | Path, **options: Any) -> None:
        """The HTML report, one self-contained file."""
        from oauthtrace.report.page import render  # noqa: PLC0415 - jinja2 only for those who want a report

        Path(file).write_text(render(self, **options), encoding="utf-8")


def analyze(  # noqa: PLR0913 - the options of the command line, as keywords
    paths: Sequence[str | Path] | str | Path = (),
    *,
    db: str | Path | None = None,
    input_format: str | None = None,
    log_format: str | None = None,
    mapping: str | Path | None = None,
    assume_tz: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    client: str | None = None,
    provider: str | None = None,
    cause: str | None = None,
    key: bytes | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Read captures and logs, join their exchanges to flows, and tell for each failed one why.

    Args:
        paths: files, folders, globs, or ``-`` for standard input. Without any, what ``db`` holds is analysed.
        db: DuckDB file to keep the exchanges in (and to read earlier ones from).
        input_format: name of the format of all inputs, instead of sniffing; with the carriers around it, as in
            ``cri>nginx-combined``, or without.
        log_format: the server's own format string, for the logs that fit it: see :mod:`oauthtrace.sources.log_format`.
        mapping: TOML file that describes a JSON or delimited log: see :mod:`oauthtrace.sources.mapping`.
        assume_tz: time zone of times that are written without one, as ``Europe/Berlin``; default UTC.
        since: only exchanges at or after this time; naive means UTC.
        until: only exchanges before this time; naive means UTC.
        client: only exchanges of this client_id.
        provider: only exchanges with this provider.
        cause: only failures with this cause or family.
        key: fingerprint key, at least 16 bytes; default the database's or the user's.
        progress: called as bytes are read.

    Raises:
        oauthtrace.sources.user.Unusable: one of the four that describe inputs is none.
        oauthtrace.sources.opening.UnreadableInput: an input does not exist or can't be opened.
        oauthtrace.store.StoreError: the database can't be used.
    """
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    how = as_described(input_format, log_format, mapping, assume_tz)
    if db is not None:
        from oauthtrace import store  # noqa: PLC0415 - duckdb only with a database

        with store.Store(db, key=key) as opened:
            readings = opened.ingest(listed, how=how, progress=progress) if listed else []
            named = {reading.file for reading in readings}
            readings += [reading for reading in opened.inputs() if reading.file not in named]
            exchanges = opened.exchanges(since=since and naive_utc(since) - CONTEXT, until=until and naive_utc(until))
    else:
        redactor = Redactor(key or load_key())
        readings = []
        frames = [exchange.empty()]
        for reading, frame in read_inputs(listed, redactor, how=how, progress=progress):
            if not (readings and readings[-1] is reading):
                readings.append(reading)
            frames.append(frame)
        exchanges = pl.concat(frames).unique("id", keep="first", maintain_order=True)
    return analyze_frame(exchanges, readings, since=since, until=until, client=client, provider=provider, cause=cause)


def analyze_frame(
    exchanges: pl.DataFrame,
    inputs: Iterable[Reading] = (),
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    client: str | None = None,
    provider: str | None = None,
    cause: str | None = None,
) -> Analysis:
    """The frame-to-frame part of :func:`analyze`: exchanges of the schema in, analysis out."""
    context = add_context(correlate.correlate(exchanges))
    failures = diagnose.diagnose(context)
    wanted = pl.lit(True)
    if since is not None:
        wanted &= pl.col("time") >= naive_utc(since)
    if until is not None:
        wanted &= pl.col("time") < naive_utc(until)
    if client is not None:
        wanted &= pl.col("client_id") == client
    if provider is not None:
        wanted &= pl.col("provider") == provider
    context, failures = context.filter(wanted), failures.filter(wanted)
    if cause is not None:
        failures = failures.filter((pl.col("cause") == cause) | pl.col("cause").str.starts_with(f"{cause}/"))
    return Analysis(context, failures, list(inputs))


def naive_utc(moment: datetime) -> datetime:
    """A moment as the frames hold it: UTC without zone; what has no zone counts as UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


# --- the document -----------------------------------------------------------------------------------------------------


def input_document(reading: Reading) -> dict[str, Any]:
    """One member of ``inputs``."""
    return {
        "file": reading.file,
        "format": reading.format,
        "records": reading.records,
        "exchanges": reading.exchanges,
        "rejected": reading.rejected,
        "not_oauth": reading.not_oauth,
        "rejects": [{"position": r.position, "reason": r.reason, "excerpt": r.excerpt} for r in reading.rejects[:20]],
        "notes": list(reading.notes),
    }


def failure_document(row: dict[str, Any]) -> dict[str, Any]:
    """One member of ``failures``."""
    cause = causes()[row["cause"]]
    return {
        "id": row["id"],
        "time": iso(row["time"]),
        "source": {"file": row["source_file"], "format": row["source_format"], "position": row["source_position"]},
        "flow": row["flow"],
        "caused_by": row["caused_by"],
        **{
            name: row[name]
            for name in (
                "provider",
                "step",
                "grant_type",
                "client_id",
                "method",
                "url",
                "status",
                "error",
                "error_code",
                "error_description",
            )
        },
        "cause": row["cause"],
        "confidence": row["confidence"],
        "proof": bool(row["proof"]),
        "evidence": row["evidence"],
        "alternatives": row["alternatives"],
        "remediation": {
            "summary": cause.remedy.summary,
            "steps": cause.remedy.steps(),
            "references": list(cause.references),
        },
    }


def iso(moment: datetime | None) -> str | None:
    """A UTC moment as the document writes it, with milliseconds."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
