"""The report's fixed texts: ``texts.toml``, loaded once, and how counts and shares are written."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def texts() -> dict[str, Any]:
    """All texts, nested as in the file."""
    return tomllib.loads(files(__package__).joinpath("texts.toml").read_text("utf-8"))


def text(path: str, **values: object) -> str:
    """One text, its placeholders filled in: ``text("chart.onset", when="09:03")``."""
    found: Any = texts()
    for part in path.split("."):
        found = found[part]
    return str(found).format(**values) if values else str(found)


def number(count: float) -> str:
    """A count with separators: ``120,311``."""
    return f"{count:,.0f}"


def plural(forms: str, count: int) -> str:
    """The word alone, in the form that fits the count: ``plural("nouns.user", 3)`` -> ``users``."""
    section, _, name = forms.partition(".")
    one, many = texts()[section][name]
    return str(one if count == 1 else many).format(n=number(count))


def counted(name: str, count: int) -> str:
    """A count and its noun: ``41 failures``."""
    return f"{number(count)} {plural(f'nouns.{name}', count)}"


def percent(share: float) -> str:
    """A share as people write it, with a no-break space: 45.6 %, < 0.1 %, 0 %."""
    value = 100 * share
    if 0 < value < 0.1:
        return "< 0.1\u00a0%"
    digits = 0 if value in (0, 100) or value >= 99.95 else 1
    return f"{value:.{digits}f}".removesuffix(".0") + "\u00a0%"
