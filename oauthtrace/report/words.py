"""How incidents are put into words: the statement, since when, whom it hits, what changed, how sure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from oauthtrace.causes import causes
from oauthtrace.evidence import duration
from oauthtrace.providers import providers
from oauthtrace.report.model import Badge
from oauthtrace.report.texts import counted, number, text, texts
from oauthtrace.report.times import Clock
from oauthtrace.report.visible import Show

LIKELY, POSSIBLE = 0.75, 0.4
NAME = 80
_VALUE, _CELL = 120, 44
_TELLING = 5
"""Fewer requests before, or failures since, make no rate."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Words:
    """Words for rows of the incidents' table, with the capture's clock and its way to show strings."""

    show: Show
    clock: Clock

    # --- what is wrong ----------------------------------------------------------------------------------------------

    def statement(self, row: Row) -> str:
        """What is wrong, as a clause; hedged where it is little more than a guess."""
        template = texts()["statements"].get(row["cause"])
        if template is None:
            return f"{self.client(row)}: {causes()[row['cause']].title}"
        scheme = "https" if str(row["sent"] or "").startswith("https") else "http"
        host = self.show(row["host"], NAME) if row["host"] else text("verdict.server")
        said = str(
            template.format(
                client=self.client(row),
                host=host,
                server=self.server(row),
                sent_scheme=scheme,
                other_scheme="http" if scheme == "https" else "https",
            )
        )
        sure = row["proof"] or row["confidence"] >= POSSIBLE or row["cause"].startswith("unknown/")
        return said if sure else text("verdict.perhaps", statement=said)

    def heading(self, row: Row) -> str:
        """The statement as a heading; a client's name at its beginning stays as it is written."""
        said = self.statement(row)
        names = (
            self.client(row) if row["client"] else "",
            self.show(row["host"], NAME) if row["host"] else "",
            self.server(row),
        )
        named = any(name and said.startswith(name) for name in names)
        return said if named and not said.startswith(text("verdict.server")) else said[:1].upper() + said[1:]

    def client(self, row: Row) -> str:
        """The client, or how many there are."""
        if row["client"]:
            return self.show(row["client"], NAME)
        return text("verdict.several", n=number(row["clients"])) if row["clients"] > 1 else text("verdict.nobody")

    def server(self, row: Row) -> str:
        """The product's name, else the host."""
        known = providers().get(row["provider"] or "")
        if known:
            return known.name
        return self.show(row["host"], NAME) if row["host"] else text("verdict.server")

    # --- who and when -----------------------------------------------------------------------------------------------

    def who(self, row: Row) -> str:
        """Who is hit, for the table."""
        if row["client"]:
            return self.show(row["client"], _CELL)
        if row["clients"] > 1:
            return counted("client", row["clients"])
        return self.show(row["host"], _CELL) if row["host"] else text("verdict.nobody")

    def hit(self, row: Row) -> Iterator[str]:
        """Which clients are hit, and how many users and addresses, where that is known."""
        if row["clients"] > 1:
            yield self.clients(row)
        for noun, column in (("user", "users"), ("address", "addresses")):
            if row[column]:
                yield counted(noun, row[column])

    def clients(self, row: Row) -> str:
        """The clients by name, where there are several."""
        names = [self.show(name, _CELL) for name in row["named"]]
        more = row["clients"] - len(names)
        return ", ".join([*names, *([text("page.more_names", n=number(more))] if more > 0 else [])])

    def when(self, row: Row, once: str = "incident.once", more: str = "incident.from_to") -> str:
        """First and last seen."""
        first, last = self.clock(row["first"]), self.clock(row["last"])
        return text(once, first=first) if first == last else text(more, first=first, last=last)

    def state(self, row: Row) -> str:
        """Whether it goes on, and its beat."""
        words = [text("state.every", period=duration(row["period_s"]))] if row["period_s"] else []
        return ", ".join([*words, *([text(f"state.{row['state']}")] if row["state"] else [])])

    def rate(self, row: Row) -> str:
        """How often it failed since the onset, and before; empty where nothing can be compared."""
        if not row["onset"] or min(row["requests_before"], row["failures_since"]) < _TELLING:
            return ""
        figures = {name: number(row[name]) for name in ("failures_since", "requests_since", "failures_before", "requests_before")}  # fmt: skip
        return text("incident.rate", since=self.clock(row["onset"]), **figures)

    # --- what changed -----------------------------------------------------------------------------------------------

    def changed(self, row: Row) -> list[str]:
        """What changed at the onset, a sentence each; never empty."""
        if not row["changed"]:
            return [text("changed.nothing" if row["requests_before"] else "changed.no_before")]
        return [self._changed(row, change) for change in row["changed"]]

    def _changed(self, row: Row, change: Row) -> str:
        was, now = self.show(change["was"], _VALUE), self.show(change["now"], _VALUE)
        sentence = text(f"changed.{change['parameter']}", was=was, now=now, at=self.clock(change["at"]))
        ago = (row["onset"] - change["at"]).total_seconds()
        return sentence + (text("changed.before", ago=duration(ago)) if ago >= 1 else "") + "."

    def changed_short(self, row: Row) -> str:
        """What changed first, in a few words."""
        if not row["changed"]:
            return ""
        change = row["changed"][0]
        what = text(f"changed.short.{change['parameter']}", who=self.client(row))
        ago = (row["onset"] - change["at"]).total_seconds()
        return text("changed.short.ago", ago=duration(ago), what=what) if ago >= 1 else what

    def position(self, form: str | None, position: int | None) -> str:
        """Where in its input something was read."""
        if position is None:
            return "?"
        kind = "entry" if (form or "").rpartition(">")[2] in _CAPTURES else "line"
        return text(f"read.{kind}", n=position)


_CAPTURES = ("har", "mitmproxy", "mitmproxy-flow", "flow")


def badge(confidence: float, *, proof: bool) -> Badge:
    """Confidence in words."""
    shown = f"{confidence:.2f}".rstrip("0").rstrip(".")
    if proof and confidence >= POSSIBLE:
        return Badge("proved", text("confidence.proved"), text("confidence.proved meaning", number=shown))
    level = "likely" if confidence >= LIKELY else "possible" if confidence >= POSSIBLE else "unclear"
    label = f"{text(f'confidence.{level}')}, {shown}"
    return Badge(level, label, text("confidence.other meaning", number=shown))


def sentence(words: str) -> str:
    """Words as a sentence: a capital first, unless a parameter's name is first, and a full stop at the end."""
    words = words.strip()
    begins = words if "_" in words.partition(" ")[0] else words[:1].upper() + words[1:]
    return begins + ("" if words.endswith((".", "…", "?", "!")) else ".") if words else ""


_CODE = re.compile(
    r"\bhttps?(?:://|%3A%2F%2F)[^\s“”\"'<>;]*[^\s“”\"'<>.,;:)]"
    r"|\b[a-z]+(?:_[a-z0-9]+)+\b(?:=[^\s,;.”]+)?"
    r"|\b(?:secret|code|token|refresh|state|nonce|session|user|verifier|opaque|device):[0-9a-f]{8}\b"
    r"|\$[A-Za-z_]\w+"
    r"|\bX-[A-Za-z-]+[A-Za-z]\b"
    r"|\b(?:WWW-Authenticate|Content-Type|Set-Cookie|SameSite|Retry-After|Cache-Control)\b"
)


def code_pieces(words: str) -> Iterator[tuple[str, bool]]:
    """A sentence cut into (text, is code): parameter names, URLs, headers and fingerprints are code."""
    at = 0
    for found in _CODE.finditer(words):
        if found.start() > at:
            yield words[at : found.start()], False
        yield found[0], True
        at = found.end()
    if at < len(words):
        yield words[at:], False
