"""Times as people say them: as exact as the capture's span needs, never more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STEPS_S = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
    10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clock:
    """How to write the times of a capture from ``first`` to ``last`` (UTC without zone)."""

    first: datetime | None
    last: datetime | None

    @property
    def span(self) -> timedelta:
        """From the first to the last moment."""
        return self.last - self.first if self.first and self.last else timedelta(0)

    @property
    def days(self) -> bool:
        """Whether the date has to be said with each time."""
        return bool(
            self.first and self.last and self.first.date() != self.last.date() and self.span > timedelta(hours=18)
        )

    def __call__(self, moment: datetime | None) -> str:
        """A moment: ``09:03``, in a short capture ``09:03:12``, in a long one ``2 Mar 09:03``."""
        if moment is None:
            return "?"
        text = f"{moment:%H:%M:%S}" if self.span < timedelta(minutes=10) else f"{moment:%H:%M}"
        return f"{moment.day} {_MONTHS[moment.month - 1]} {text}" if self.days else text

    def second(self, moment: datetime | None) -> str:
        """A moment to the second; in a capture of seconds, to the millisecond."""
        return self.exact(moment.replace(microsecond=0) if moment and self.span > timedelta(minutes=10) else moment)

    def exact(self, moment: datetime | None) -> str:
        """A moment to the millisecond, or to the second when it has no more."""
        if moment is None:
            return "?"
        text = f"{moment:%H:%M:%S}" + (f".{moment.microsecond // 1000:03d}" if moment.microsecond else "")
        return f"{moment.day} {_MONTHS[moment.month - 1]} {text}" if self.days else text

    def whole(self) -> str | None:
        """The capture's span: ``2 March 2026, 06:00 to 12:00 UTC``."""
        if not self.first or not self.last:
            return None
        day = f"{self.first.day} {self.first:%B %Y}"
        if not self.days:
            return f"{day}, {self(self.first)} to {self(self.last)} UTC"
        return f"{day} to {self.last.day} {self.last:%B %Y}, UTC"


def nice_step(span_s: float, most: int) -> float:
    """The smallest round step in seconds that divides a span into at most so many parts."""
    return next((step for step in _STEPS_S if span_s / step <= most), max(span_s / most, _STEPS_S[-1]))
