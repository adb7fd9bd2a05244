"""The panels of tokens: which scope was asked for, granted, held and demanded; claims against what is expected; clocks."""

from __future__ import annotations

from datetime import UTC, datetime

from oauthtrace.evidence import duration
from oauthtrace.report.around import Case
from oauthtrace.report.panel import VALUE, WORD, Claim, Line, Panel, Piece
from oauthtrace.report.texts import text
from oauthtrace.report.times import Clock
from oauthtrace.report.visible import Show


def scopes(case: Case, show: Show, _clock: Clock) -> Panel | None:
    """Which scope was asked for, granted, held and demanded."""
    row = case.row
    asked = _words(row["scope"]) or next((w for r in case.flow if (w := _words(r["scope"]))), None)
    granted = next((w for r in reversed(case.flow) if (w := _words(r["granted_scope"]))), None)
    refused = _words(row["refused_scope"])
    columns: list[tuple[str, list[str] | None]] = [
        ("asked", asked),
        (
            "allowed",
            [*(w for w in asked or () if w not in refused), *(_words((case.worked or {}).get("scope")) or ())]
            if refused
            else None,
        ),
        ("granted", granted),
        ("held", _words(row["jwt_scope"])),
        ("demanded", _words(row["demanded_scope"])),
    ]
    known = [(name, words) for name, words in columns if words is not None]
    every = list(dict.fromkeys(word for _, words in known for word in words))[:30]
    if not every:
        return None
    wrong = set(_words(row["lacking_scope"]) or refused or ())
    rows = [(show(word, WORD), [word in words for _, words in known], word in wrong) for word in every]
    rows.sort(key=lambda r: not r[2])
    named = show(" ".join(sorted(wrong)), VALUE)
    note = text(
        "panel.scopes.lacking" if row["lacking_scope"] else "panel.scopes.refused" if wrong else "panel.scopes.plain",
        scope=named,
    )
    return Panel(
        "scopes",
        text("panel.scopes.title"),
        note,
        telling=bool(wrong),
        columns=[text(f"panel.scopes.{n}") for n, _ in known],
        rows=rows,
    )


def _words(value: str | None) -> list[str] | None:
    return value.split() if value else None


def claims(case: Case, show: Show, clock: Clock) -> Panel | None:
    """Claims of the token presented against what is expected of them."""
    row, worked = case.row, case.worked or {}
    if row["jwt_use"] is None:
        return None
    now = row["server_time"] or row["time"]
    at_server = text("panel.claims.now", now=clock.exact(now)) if now else ""
    audience = worked.get("jwt_aud") or (
        f"{row['scheme'] or 'https'}://{row['host']}" if case.cause == "grant/wrong-audience" and row["host"] else ""
    )
    timed = row["jwt_time"]
    listed = [
        (
            "aud",
            row["jwt_aud"],
            audience,
            case.cause == "grant/wrong-audience" or bool(audience and audience != row["jwt_aud"]),
        ),
        ("iss", row["jwt_iss"], worked.get("jwt_iss") or "", bool(row["issuer_differs"])),
        ("azp", row["jwt_azp"], "", False),
        ("alg", row["jwt_alg"], worked.get("jwt_alg") or "", bool(row["alg_unexpected"])),
        ("kid", row["jwt_kid"], worked.get("jwt_kid") or "", bool(row["kid_unknown"])),
        ("exp", _moment(row["jwt_exp"], clock), at_server, timed == "expired"),
        ("nbf", _moment(row["jwt_nbf"], clock), at_server, timed == "not yet valid"),
        ("iat", _moment(row["jwt_iat"], clock), at_server, timed in ("issued in the future", "stale")),
    ]
    found = [
        Claim(text(f"panel.claims.{name}"), show(value, VALUE), show(expected, VALUE), wrong)
        for name, value, expected, wrong in listed
        if value
    ]
    if not found:
        return None
    found.sort(key=lambda claim: not claim.wrong)
    wrong = any(claim.wrong for claim in found)
    return Panel(
        "claims",
        text("panel.claims.title"),
        text("panel.claims.wrong" if wrong else "panel.claims.as_read"),
        telling=wrong,
        claims=found,
    )


def _moment(epoch: float | None, clock: Clock) -> str:
    if epoch is None:
        return ""
    try:
        return clock.exact(datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None))
    except (OverflowError, OSError, ValueError):
        return f"{epoch:g}"


def clocks(case: Case, _show: Show, clock: Clock) -> Panel | None:
    """The server's Date against the time of capture."""
    row, off = case.row, case.row["clock_off_s"]
    if off is None or not row["server_time"] or abs(off) < 5:
        return None
    lines = [
        Line(text("panel.clock.capture"), [Piece(clock.exact(row["time"]))]),
        Line(text("panel.clock.server"), [Piece(clock.exact(row["server_time"]), differs=True)], failing=True),
    ]
    note = text("panel.clock.off", off=duration(off), direction=text("read.ahead" if off > 0 else "read.behind"))
    return Panel(
        "compare",
        text("panel.clock.title"),
        note,
        telling=case.cause == "server/clock-skew" or abs(off) > 60,
        lines=lines,
    )
