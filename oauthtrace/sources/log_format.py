"""From a server's own format string to a reader of its lines: nginx ``log_format``, Apache, Envoy, HAProxy, API Gateway.

A format string is cut into literals and variables (:mod:`oauthtrace.sources.directives`), these become one regular
expression, and what its groups hold becomes an exchange (:mod:`oauthtrace.sources.fields`). A format string that is a
JSON object becomes a reader of JSON lines. Formats whose layout is fixed are declared by the same means, see
``gateways/``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, BinaryIO, NamedTuple

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import Reading, Row, access, lines_of
from oauthtrace.sources.directives import (
    KINDS,
    LAYOUT,
    MAY_TOUCH,
    QUOTED,
    Dialect,
    Token,
    Variable,
    dialect_of,
    tokens,
    unwrapped,
)
from oauthtrace.sources.fields import ABSENT, exchange_of, sees_of
from oauthtrace.sources.json_format import JsonFormat

PURE = 0.9
"""Share of lines from which on a file counts as of one format; a mixed stream is text, each line read as what it is."""
LONGEST = 65_536
"""Characters of a line that are looked at; gateways cut theirs at 8,192 or below."""

_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|([\"\\/])|([nrt]))")
_BLANKS = {"n": "\n", "r": "\r", "t": "\t"}


class _Group(NamedTuple):
    """What one group of the expression holds."""

    ours: str
    form: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """A compiled format: its expression and our names for its groups, in order."""

    pattern: re.Pattern[str]
    groups: tuple[_Group, ...]

    def found(self, line: str) -> dict[str, Any] | None:
        """Our name -> value of a line, values without meaning left out; None when the line is of another format."""
        match = self.pattern.match(line[:LONGEST])
        if match is None:
            return None
        out: dict[str, Any] = {}
        for group, text in zip(self.groups, match.groups(), strict=True):
            value = _ESCAPE.sub(_unescaped, text) if text and "\\" in text else text
            if group.form is not None:
                value = _epoch(value, group.form)
            if out.get(group.ours) in ABSENT or group.ours not in out:
                out[group.ours] = value
        return out


@dataclass(frozen=True)
class TextFormat:
    """A format of lines, as the registry wants it.

    Attributes:
        NAME: as ``--input-format`` takes it.
        TITLE: one line for ``oauthtrace formats``.
        layouts: the layouts that its lines may have, the first that fits is taken.
        sure: score of a file all of whose lines fit.
        extra: Rust pattern of further lines that may tell of OAuth.
    """

    NAME: str
    TITLE: str
    layouts: tuple[Line, ...]
    sure: float = 1.0
    extra: str = ""
    BY_LINE: bool = True

    @property
    def SEES(self) -> tuple[str, ...]:  # noqa: N802 - as modules name it
        """What its lines can show at all."""
        return sees_of({group.ours for layout in self.layouts for group in layout.groups})

    def sniff(self, head: bytes) -> float:
        first = lines_of(head)
        share = sum(self._found(line) is not None for line in first) / len(first) if first else 0.0
        return self.sure * (share if share >= PURE else share * 0.5)

    def line_of(self, line: str, zone: tzinfo = UTC) -> RawExchange | str:
        """The exchange of one line, or why it can't be read."""
        found = self._found(line)
        return f"not a line of {self.NAME}" if found is None else exchange_of(found, zone)

    def read(self, stream: BinaryIO, reading: Reading) -> Iterator[Row]:
        pattern = f"{access.PREFILTER}|{self.extra}" if self.extra else access.PREFILTER
        return access.read_lines(stream, reading, lambda line: self.line_of(line, reading.zone), pattern)

    def _found(self, line: str) -> dict[str, Any] | None:
        for layout in self.layouts:
            if (found := layout.found(line)) is not None:
                return found
        return None


def compile_format(text: str) -> TextFormat | JsonFormat:
    """A reader of the lines that a server writes by a format string.

    Args:
        text: the format string of nginx, Apache, Envoy, HAProxy or API Gateway, or the whole directive with it.

    Raises:
        ValueError: it can't be read; one line says why.
    """
    form = unwrapped(text)
    dialect = dialect_of(text)
    name, title = f"{dialect.name}-custom", f"{dialect.title}, by its own format string"
    if form.lstrip().startswith("{"):
        return _json(form, dialect, name, title)
    line = compile_line(form, dialect)
    _check({group.ours for group in line.groups})
    return TextFormat(name, title, (line,))


def declared(name: str, title: str, *forms: str, sure: float = 1.0, extra: str = "", tail: bool = False) -> TextFormat:
    """A format whose layout is fixed, by the format strings that its product has.

    Args:
        name: as ``--input-format`` takes it.
        title: one line for ``oauthtrace formats``.
        forms: format strings, the product's or in our own words (:data:`~.directives.LAYOUT`), the likeliest first.
        sure: score of a file all of whose lines fit.
        extra: Rust pattern of further lines that may tell of OAuth.
        tail: whether more may follow on a line.
    """
    layouts = tuple(
        compile_line(form, LAYOUT if LAYOUT.pattern.search(form) else dialect_of(form), tail=tail) for form in forms
    )
    return TextFormat(name, title, layouts, sure, extra)


def compile_line(form: str, dialect: Dialect, *, tail: bool = False) -> Line:
    """The expression of a format string, matched from a line's first character to its last.

    Raises:
        ValueError: a variable that the server does not have, or two of which nothing tells where one ends.
    """
    parts = tokens(form, dialect)
    groups: list[_Group] = []
    out = ["^"]
    for place, part in enumerate(parts):
        before = parts[place - 1] if place else ""
        after = parts[place + 1] if place + 1 < len(parts) else ""
        if isinstance(part, str):
            out.append('"?' if part == '"' and not after else re.escape(part))
            continue
        if isinstance(after, Variable) and (part.kind, after.kind) not in MAY_TOUCH:
            raise ValueError(
                f"log format: no text between {part.written} and {after.written}, so nothing tells where one ends"
            )
        literal = next((later for later in parts[place + 1 :] if isinstance(later, str)), "")
        pattern = _pattern(part, before if isinstance(before, str) else "", literal)
        opens, closes = _AROUND.get(part.kind, ("", ""))
        if part.ours is None:
            out.append(f"{opens}(?:{pattern}){closes}")
        else:
            out.append(f"{opens}({pattern}){closes}")
            groups.append(_Group(part.ours, part.form))
    out.append("(?: .*)?$" if tail else r"\s*$")
    return Line(re.compile("".join(out), re.DOTALL), tuple(groups))


def _pattern(variable: Variable, before: str, after: str) -> str:
    """What a variable's text looks like where it stands.

    Args:
        variable: the variable.
        before: literal before it, or nothing.
        after: the next literal behind it, if there is one.
    """
    kind = variable.kind
    if kind == "strftime":
        return _strftime(variable.form or "")
    if kind == "quoted" or (before.endswith('"') and after.startswith('"') and kind in _LOOSE):
        return QUOTED
    if before.endswith("[") and after.startswith("]") and kind in _LOOSE:
        return r"[^\]]*+"
    if not after and kind == "text":
        return KINDS["rest"]
    if after and not after[0].isspace():
        return _TIGHT.get(kind, KINDS[kind])
    return KINDS[kind]


_AROUND = {"quoted": ('"', '"'), "bracketed": (r"\[", r"\]")}
_TIGHT = {"word": r"[^\s\"]*?", "host": r"[^\s/\"]*", "uri": r"[^\s?\"]*", "args": r"[^\s\"]*?", "target": r"[^\s\"]*?", "tries": ".{0,400}?", "address": r"[^\s\"]*"}  # fmt: skip
"""Pattern of kinds where another character than a blank follows: what may hold that character gives it back."""
_LOOSE = frozenset({"text", "word", "target", "uri", "args", "host", "tries", "address"})


def _unescaped(match: re.Match[str]) -> str:
    byte, unit, itself, blank = match.groups()
    return chr(int(byte or unit, 16)) if byte or unit else itself or _BLANKS[blank]


def _check(names: set[str]) -> None:
    if not ("request" in names or ("method" in names and names & {"url", "path"})):
        raise ValueError("log format: it holds no request line, nor method and URL, so no exchange can be read from it")
    if "status" not in names:
        raise ValueError("log format: it holds no status, so no failure can be read from it")


# --- times by strftime ------------------------------------------------------------------------------------------------

_STRFTIME = {
    "Y": r"\d{4}", "m": r"\d\d", "d": r"\d\d", "e": r"[ \d]\d", "H": r"\d\d", "M": r"\d\d", "S": r"\d\d", "y": r"\d\d", "b": r"[A-Z][a-z]{2}", "a": r"[A-Z][a-z]{2}", "z": r"[+-]\d{4}", "Z": r"[A-Z]{3,5}",
    "T": r"\d\d:\d\d:\d\d", "F": r"\d{4}-\d\d-\d\d", "D": r"\d\d/\d\d/\d\d", "s": r"\d{10}", "f": r"\d{1,9}", "p": r"[AP]M", "I": r"\d\d", "R": r"\d\d:\d\d",
}  # fmt: skip
_LONG = {"T": "%H:%M:%S", "F": "%Y-%m-%d", "D": "%m/%d/%y", "e": "%d", "R": "%H:%M"}
_DIRECTIVE = re.compile(r"%(\d)?([A-Za-z%])")


def _strftime(form: str) -> str:
    out, end = [], 0
    for match in _DIRECTIVE.finditer(form):
        if match[2] not in _STRFTIME:
            raise ValueError(f"log format: {match[0]} in the time form {form} is not known")
        out += [re.escape(form[end : match.start()]), _STRFTIME[match[2]]]
        end = match.end()
    return "".join([*out, re.escape(form[end:])])


def _epoch(text: str, form: str) -> float | None:
    """Epoch seconds of a time written by strftime; without a zone it counts as UTC."""
    plain = _DIRECTIVE.sub(lambda m: _LONG.get(m[2], f"%{m[2]}"), form)
    if plain == "%s":
        return float(text)
    try:
        parsed = datetime.strptime(re.sub(r"(\.\d{6})\d+", r"\1", text), plain)  # noqa: DTZ007 - the zone follows
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


# --- format strings that are JSON objects -----------------------------------------------------------------------------

_BARE = re.compile(r"(?<=[:\[,])(\s*)(\$\{?[\w.]+\}?|%[^\s,}\]\"]+)(?=\s*[,}\]])")


def _json(form: str, dialect: Dialect, name: str, title: str) -> JsonFormat:
    try:
        template = json.loads(_BARE.sub(r'\1"\2"', form))
    except ValueError as error:
        raise ValueError(f"log format: it begins like JSON and is none: {error}") from error
    fields: dict[str, tuple[str, ...]] = {}
    parts: dict[str, Callable[[str], Mapping[str, Any] | None]] = {}
    for path, value in _leaves(template):
        split: list[Token] = tokens(value, dialect)
        if len(split) == 1 and isinstance(split[0], Variable) and split[0].kind != "strftime":
            if split[0].ours:
                fields[split[0].ours] = (*fields.get(split[0].ours, ()), path)
        elif any(isinstance(part, Variable) for part in split):
            parts[path] = compile_line(value, dialect).found
    names = set(fields) | {g.ours for p, v in _leaves(template) if p in parts for g in compile_line(v, dialect).groups}
    _check(names)
    return JsonFormat(
        name, title, tuple(path for path, _ in _leaves(template)), fields, parts=parts, names=frozenset(names)
    )


def _leaves(template: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(template, dict):
        for key, value in template.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(template, str):
        yield path, template
