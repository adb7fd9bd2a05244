"""Evidence sentences: what counted for the winning cause, with the values that it was computed from filled in.

A sentence template names columns in braces, optionally with how to write the value: ``{code_age_s:duration}``,
``{time:clock}``. A sentence whose value is unknown is left out.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import polars as pl

from oauthtrace.causes import causes, expression
from oauthtrace.kinds import kinds_of
from oauthtrace.vantage import blind_spot

_PLACEHOLDER = re.compile(r"\{(\w+)(?::(\w+))?\}")
MOST = 5


def duration(seconds: float) -> str:
    """A duration as people say it: ``2.4 s``, ``11 min 4 s``, ``3 h 2 min``, ``12 days``."""
    seconds = abs(seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def write(value: Any, how: str | None) -> str:
    """One value as an evidence sentence writes it."""
    if how == "duration" and isinstance(value, int | float):
        return duration(value)
    if isinstance(value, datetime):
        return value.strftime("%H:%M:%S") if how == "clock" else value.strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, list):
        return ", ".join(str(v).removesuffix("_fp").replace("secret", "client secret") for v in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def sentences(ranked: pl.DataFrame) -> pl.Series:
    """For each ranked failure the evidence for its cause, strongest first, then what the server said; at most MOST.

    What the sentences are made of is often the same for many failures: each distinct combination is written once.
    """
    parts = [pl.DataFrame(schema={"row": pl.UInt32, "evidence": pl.List(pl.String)})]
    for (cause_id,), group in ranked.with_row_index("row").group_by("cause"):
        signs = sorted((s for s in causes()[str(cause_id)].signs if s.say and s.weight > 0), key=lambda s: -s.weight)
        parts.append(_of_cause(group, [(s.when, s.say or "") for s in signs]))
    told = pl.concat(parts).sort("row").with_columns(unseen=_blind_spots(ranked))
    return told.select(
        evidence=pl.when(pl.col("unseen").is_not_null())
        .then(pl.concat_list("evidence", "unseen"))
        .otherwise("evidence")
    )["evidence"]


SURE = 0.9
"""Below this confidence the evidence also says what the log does not show."""


def _blind_spots(ranked: pl.DataFrame) -> pl.Series:
    """For each ranked failure what its log does not show of it; null where that would change nothing."""
    kinds, place = kinds_of(ranked, ["step", "status", "sees", "source_format"])
    said = [blind_spot(step, status, tuple(sees or ()), form or "") for step, status, sees, form in kinds.iter_rows()]
    unseen = pl.Series("unseen", said, dtype=pl.String).gather(place)
    return ranked.select(pl.when(pl.col("confidence") < SURE).then(unseen).alias("unseen"))["unseen"]


_SAYS = ("error", "error_code", "error_description", "transport_error", "status", "step")


def _of_cause(group: pl.DataFrame, signs: list[tuple[str, str]]) -> pl.DataFrame:
    """Rows of one cause -> their evidence."""
    names = {name: None for _, say in signs for name, _ in _PLACEHOLDER.findall(say)}
    asked = {
        name: [expression(when) for when, say in signs if f"{{{name}}}" in say or f"{{{name}:" in say] for name in names
    }
    values = group.select(
        "row",
        *[expression(when).alias(f"fired {i}") for i, (when, _) in enumerate(signs)],
        *[pl.when(pl.any_horizontal(asked[name])).then(name).alias(f"value {name}") for name in names],
        *_SAYS,
        message=pl.when(pl.col("step") == "event").then("message"),
    )
    kinds, place = kinds_of(values, values.columns[1:])
    written = []
    for row in kinds.iter_rows(named=True):
        listed = [
            _PLACEHOLDER.sub(lambda m, row=row: write(row[f"value {m[1]}"], m[2] or None), say)  # type: ignore[misc]
            for i, (_, say) in enumerate(signs)
            if row[f"fired {i}"] and all(row[f"value {n}"] is not None for n, _ in _PLACEHOLDER.findall(say))
        ]
        if sentence := _said(*[row[name] for name in (*_SAYS, "message")]):
            listed.append(sentence)
        written.append(list(dict.fromkeys(listed))[:MOST])
    return values.select("row", pl.Series("evidence", written, dtype=pl.List(pl.String)).gather(place))


def _said(
    error: str | None,
    code: str | None,
    description: str | None,
    transport: str | None,
    status: int | None,
    step: str,
    message: str | None,
) -> str | None:
    who = "The log says" if step == "event" else "The server says"
    named = " ".join(dict.fromkeys(w for w in (error, code) if w))
    text = description or (message if step == "event" else None)
    if text:
        text = text if len(text) <= 240 else text[:239] + "…"
        return f"{who} {named}: “{text}”" if named and named not in text else f"{who}: “{text}”"
    if named:
        return f"{who} only {named}" + (f", with status {status}." if status else ".")
    if transport:
        return f"No answer came: {transport}."
    return f"The answer has status {status} and says nothing about why." if status else None
