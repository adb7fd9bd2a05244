"""Times as logs write them, as epoch seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

_MONTHS = {
    m: i for i, m in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}


@lru_cache(maxsize=4096)
def clf_time(text: str) -> float | None:
    """Epoch seconds of ``02/Mar/2026:09:14:05 +0000``; without an offset it counts as UTC."""
    try:
        day, month, year = int(text[:2]), _MONTHS[text[3:6]], int(text[7:11])
        hour, minute, second = int(text[12:14]), int(text[15:17]), int(text[18:20])
        zone = text[21:26]
        offset = timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:5])) if zone else timedelta()
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset) if offset else UTC).timestamp()
    except (KeyError, ValueError):
        return None


def to_epoch(value: Any) -> float | None:
    """Epoch seconds of whatever a log writes as time: ISO 8601, CLF, or a number whose unit its magnitude tells."""
    if isinstance(value, str):
        text = value.strip()
        if re.fullmatch(r"\d{9,19}(?:\.\d+)?", text):
            value = float(text)
        elif re.match(r"\d\d/[A-Z][a-z]{2}/\d{4}:", text):
            return clf_time(text)
        else:
            try:
                parsed = datetime.fromisoformat(text.replace("Z", "+00:00").replace(",", "."))
            except ValueError:
                return None
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    for limit, unit in ((1e11, 1), (1e14, 1e3), (1e17, 1e6)):
        if value < limit:
            return float(value / unit)
    return float(value / 1e9)
