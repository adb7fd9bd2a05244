"""JSON documents of any size, value by value: arrays, envelopes around a list, one value a line, values side by side.

Memory is bounded by the longest single value, whatever the file's size: a value longer than LONGEST_VALUE is rejected.
A document that is cut off is read up to its last whole value.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

from oauthtrace.sources import Reading

CHUNK_BYTES = 1 << 20
LONGEST_VALUE = 1 << 25
"""Characters."""
LONGEST_START = 4096
"""Characters that may stand before the list of an envelope."""
LISTS = ("value", "records", "Records", "items", "events", "logs", "data", "logEvents")
"""Members that hold the list of an envelope: Graph, Azure Monitor, CloudTrail, Google, event hooks."""

_SCALAR = r'"(?:[^"\\]|\\.)*+"\s*+:\s*+(?:"(?:[^"\\]|\\.)*+"|[-\w.+]++)\s*+,\s*+'
_BLANKS = re.compile(r"[\s,\x1e\ufeff]*")
_NEXT_LINE = re.compile(r"\n(?=[{\[])")
_SIGNS = re.compile(r'\\.|["{}\[\]]', re.DOTALL)
_TOO_LONG = object()
_DECODER = json.JSONDecoder()


def start_of(names: Collection[str]) -> re.Pattern[str]:
    """What stands from the beginning of an envelope to the first element of its list, scalar members first."""
    return re.compile(rf'\{{\s*+(?:{_SCALAR})*+"(?:{"|".join(names)})"\s*+:\s*+\[')


class Values:
    """The values of a stream: iterating gives (place, value).

    The place is the 1-based line of a value that stands alone, the 0-based number of a value that stands in a list (the
    values of all lists are numbered on).

    Args:
        stream: the bytes.
        reading: takes what can't be read; its tally of records is the caller's business.
        lists: members of a top-level object whose list is read element by element.
    """

    def __init__(self, stream: BinaryIO, reading: Reading, lists: Collection[str] = LISTS) -> None:
        self._stream, self._reading, self._envelope = stream, reading, start_of(lists)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._text, self._at, self._ended = "", 0, False
        self._line, self._counted = 1, 0
        self._depth: list[str] = []
        self._number = 0
        self._alone = False

    def seek(self, name: str) -> str | None:
        """Go to the list of a member, however deep; gives what stands before it, None when there is no such list.

        What is iterated over afterwards are the elements of that list alone.
        """
        pattern = re.compile(rf'"{name}"\s*:\s*\[')
        while (match := pattern.search(self._text, self._at)) is None:
            if self._ended or len(self._text) > LONGEST_VALUE:
                return None
            self._more()
        before, self._at = self._text[: match.start()], match.end()
        self._depth, self._alone = ["]"], True
        return before

    def _more(self) -> bool:
        """Read on; false at the end. What was read is dropped."""
        if self._ended:
            return False
        self._line += self._text.count("\n", self._counted, self._at)
        self._text, self._at, self._counted = self._text[self._at :], 0, 0
        chunk = self._stream.read(CHUNK_BYTES)
        self._ended = not chunk
        self._text += self._decode(chunk, self._ended)
        return not self._ended

    def _next(self) -> str:
        """The next character that is neither blank nor comma; empty at the end."""
        while True:
            if blanks := _BLANKS.match(self._text, self._at):
                self._at = blanks.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _place(self) -> int:
        if self._depth:
            return self._number
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        while sign := self._next():
            if self._takes(sign):
                continue
            if self._depth and self._depth[-1] == "}":
                if not self._pass_member():
                    return
                continue
            place = self._place()
            found, value = self._value(place)
            if found:
                self._number += 1
                if value is not _TOO_LONG:
                    yield place, value
            elif self._depth or not self._resume():
                return
        if self._depth:
            self._refuse(self._number, "the list is cut off")

    def _takes(self, sign: str) -> bool:
        """Whether a list or an envelope begins or ends here; if so, it is entered or left."""
        if self._depth and sign in "]}":
            self._close(sign)
        elif not self._depth and sign == "[":
            self._depth.append("]")
            self._at += 1
        elif not self._depth and sign == "{" and (match := self._opens()):
            self._depth += ["}", "]"]
            self._at = match.end()
        else:
            return False
        return True

    def _opens(self) -> re.Match[str] | None:
        """Whether an envelope begins here; what comes before its list is short."""
        while len(self._text) - self._at < LONGEST_START and self._more():
            pass
        return self._envelope.match(self._text, self._at)

    def _close(self, sign: str) -> None:
        if sign == self._depth[-1]:
            self._depth.pop()
        self._at += 1
        if self._alone and not self._depth:
            self._text, self._at, self._ended = "", 0, True  # what comes behind the list is not asked for

    def _pass_member(self) -> bool:
        """Pass over a member behind an envelope's list: its name, a colon, its value."""
        found, _ = self._value(self._place())
        if found and self._next() == ":":
            self._at += 1
            if self._next():
                found, _ = self._value(self._place())
        return found

    def _value(self, place: int) -> tuple[bool, Any]:
        """Whether a whole value stands here, and the value; what is none is rejected."""
        why = "not whole JSON"
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                why = f"not whole JSON: {error.msg if isinstance(error, json.JSONDecodeError) else 'nested too deep'}"
            else:
                if end < len(self._text) or self._ended or isinstance(value, dict | list):
                    self._at = end
                    return True, value
            if self._ended or (not self._depth and _NEXT_LINE.search(self._text, self._at)):
                # the next line begins a value of its own: this one will not become whole
                self._refuse(place, why, self._text[self._at : self._at + 300])
                return False, None
            if len(self._text) - self._at > LONGEST_VALUE:
                self._reading.records += 1
                excerpt = self._text[self._at : self._at + 300]
                self._reading.reject(place, f"a value of more than {LONGEST_VALUE:,} characters", excerpt)
                return self._pass_over(), _TOO_LONG
            self._more()

    def _pass_over(self) -> bool:
        """Go behind an object or a list that is too long to be kept; false when the stream ends in it."""
        depth, in_text = 0, False
        while True:
            for match in _SIGNS.finditer(self._text, self._at):
                sign = match[0]
                if in_text or sign == '"':
                    in_text = not in_text if sign == '"' else in_text
                elif sign in "{[":
                    depth += 1
                elif sign in "}]":
                    depth -= 1
                if depth <= 0 and not in_text:
                    self._at = match.end()
                    return True
            # an odd backslash at the end belongs to the sign behind it
            backslashes = len(self._text) - len(self._text.rstrip("\\"))
            self._at = len(self._text) - backslashes % 2
            if not self._more():
                return False

    def _refuse(self, place: int, why: str, excerpt: str = "") -> None:
        self._reading.records += 1
        self._reading.reject(place, f"{why}: read up to the last whole entry" if self._depth else why, excerpt)

    def _resume(self) -> bool:
        """Go on at the next line that begins a value; false when there is none."""
        while (match := _NEXT_LINE.search(self._text, self._at)) is None:
            self._at = max(self._at, len(self._text) - 4)
            if not self._more():
                return False
        self._at = match.end()
        return True
