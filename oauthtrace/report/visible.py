"""Every string from a log is hostile: it is made visible and bounded before it is shown.

Markup is escaped by the templates. Here the rest: control and bidirectional characters are shown as marks, and long
values are cut. Names are the business of :mod:`oauthtrace.report.pseudonyms`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Show = Callable[..., str]
"""``show(value, most)``: a string from a log as the report may show it."""

MOST = 300
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_PILED = re.compile(
    r"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{2})[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def visible(value: object, most: int = MOST) -> str:
    r"""A value as one bounded line of text without anything hidden in it.

    >>> visible("a\u202eb")
    'a⟨U+202E⟩b'
    """
    text = "" if value is None else str(value)
    cut = text[:most]
    cut = _PILED.sub(r"\1", _HIDDEN.sub(lambda m: f"⟨U+{ord(m[0]):04X}⟩", cut.replace("\n", " ⏎ ").replace("\t", " ")))
    return cut if len(text) <= most else f"{cut}… ({len(text):,} characters)"


def plain(value: object, most: int = MOST) -> str:
    """:data:`Show` without pseudonyms."""
    return visible(value, most)
