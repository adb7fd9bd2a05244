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
    """For each ranked failure the evidence for its cause, strongest first, then what the server said; at most MOST."""
    out: list[list[str]] = [[] for _ in range(ranked.height)]
    numbered = ranked.with_row_index("row")
    for (cause_id,), group in numbered.group_by("cause"):
        cause = causes()[str(cause_id)]
        signs = sorted((s for s in cause.signs if s.say and s.weight > 0), key=lambda s: -s.weight)
        for sign in signs:
            assert sign.say is not None
            names = list(dict.fromkeys(n for n, _ in _PLACEHOLDER.findall(sign.say)))
            fired = group.filter(expression(sign.when))
            if names:
                fired = fired.drop_nulls(names)
            for row in fired.select("row", *names).iter_rows(named=True):
                out[row["row"]].append(_PLACEHOLDER.sub(lambda m, row=row: write(row[m[1]], m[2] or None), sign.say))  # type: ignore[misc]
    said = ranked.select("error", "error_code", "error_description", "transport_error", "status", "step", "message").iter_rows()
    for listed, values in zip(out, said, strict=True):
        if sentence := _said(*values):
            listed.append(sentence)
    return pl.Series("evidence", [list(dict.fromkeys(listed))[:MOST] for listed in out], dtype=pl.List(pl.String))


def _said(error: str | None, code: str | None, description: str | None, transport: str | None, status: int | None, step: str, message: str | None) -> str | None:
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
