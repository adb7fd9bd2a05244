"""Times as logs write them, as epoch seconds. What is written without a zone is of the zone that the reading assumes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any

_MONTHS = {
    m: i for i, m in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}
_CLF = re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}[: ]")
_UTIME = re.compile(r"(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(\.\d{1,9})? (\d{4})$")


def clf_time(text: str, zone: tzinfo = UTC) -> float | None:
    """Epoch seconds of ``02/Mar/2026:09:14:05 +0000``, also with ``.031`` behind the seconds."""
    try:
        clock, _, offset = text[18:].partition(" ")
        second = float(clock) if clock[2:3] == "." else int(clock)
        return _clf_minute(text[:17], offset, zone) + second if 0 <= second < 60 else None
    except (KeyError, ValueError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def _clf_minute(text: str, offset: str, zone: tzinfo) -> float:
    """Epoch seconds at which a minute begins."""
    if offset:
        zone = timezone(timedelta(hours=int(offset[:3]), minutes=int(offset[0] + offset[3:5])))
    day, month, year, hour, minute = (
        int(text[:2]),
        _MONTHS[text[3:6]],
        int(text[7:11]),
        int(text[12:14]),
        int(text[15:17]),
    )
    return datetime(year, month, day, hour, minute, tzinfo=zone).timestamp()


def utime(text: str, zone: tzinfo = UTC) -> float | None:
    """Epoch seconds of ``Mon Mar 02 09:14:20.310865 2026``, as Apache's error log writes it."""
    match = _UTIME.match(text)
    if match is None:
        return None
    try:
        month, day, hour, minute, second, fraction, year = match.groups()
        clock = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=zone)
        return clock.timestamp() + float(fraction or 0)
    except (KeyError, ValueError, OverflowError):
        return None


def to_epoch(value: Any, zone: tzinfo = UTC) -> float | None:
    """Epoch seconds of whatever a log writes as time: ISO 8601, CLF, or a number whose unit its magnitude tells.

    Args:
        value: text or number; anything else is no time.
        zone: of a text that names none.
    """
    if isinstance(value, str):
        text = value.strip()
        if re.fullmatch(r"\d{9,19}(?:\.\d+)?", text):
            value = float(text)
        elif _CLF.match(text):
            return clf_time(text, zone)
        else:
            try:
                parsed = datetime.fromisoformat(text.replace("Z", "+00:00").replace(",", ".").replace("/", "-"))
                return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).timestamp()
            except (ValueError, OverflowError):
                return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    for limit, unit in ((1e11, 1), (1e14, 1e3), (1e17, 1e6)):
        if value < limit:
            return float(value / unit)
    return float(value / 1e9)


def yearless(text: str, latest: float, zone: tzinfo = UTC) -> float | None:
    """Epoch seconds of ``May  4 10:00:00``, as RFC 3164 section 4.1.2 writes it.

    Args:
        text: month, day and time of day, perhaps with a fraction of a second.
        latest: no such time is later than this (a day of grace): tells the year.
        zone: of the text.
    """
    month, _, rest = text.partition(" ")
    day, _, clock = rest.strip().partition(" ")
    clock, _, fraction = clock.partition(".")
    try:
        year = datetime.fromtimestamp(latest, zone).year
        hour, minute, second = map(int, clock.split(":"))
        for candidate in (year + 1, year, year - 1, *range(year - 2, year - 8, -1)):
            try:
                moment = datetime(candidate, _MONTHS[month], int(day), hour, minute, second, tzinfo=zone).timestamp()
            except ValueError:  # the 29th of February of another year
                continue
            if moment <= latest + 86_400:
                return moment + (float(f"0.{fraction}") if fraction.isdigit() else 0.0)
    except (KeyError, ValueError, OverflowError, OSError):
        pass
    return None
