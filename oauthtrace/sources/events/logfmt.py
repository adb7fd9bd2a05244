"""Lines of ``key=value`` pairs, as Go's loggers write them (logfmt, logrus, slog)."""

from __future__ import annotations

import re

_PAIR = re.compile(r'([\w.\[\]-]++)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def pairs(line: str) -> dict[str, str]:
    """The pairs of a line; of a key that comes twice, the first."""
    found: dict[str, str] = {}
    for match in _PAIR.finditer(line):
        quoted = match[2]
        value = match[3] if quoted is None else _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[1]), quoted)
        found.setdefault(match[1], value)
    return found
