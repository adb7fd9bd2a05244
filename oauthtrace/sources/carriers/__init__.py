"""What logs come in: containers, syslog, journals, collectors, exports. One module is one carrier; listing is the registry.

A carrier takes its own wrapping off and hands on what was written into it; what that is, is a format's business, and a
format knows nothing of carriers. A carrier module declares:

- ``NAME``: stands in front of the format in ``inputs[].format`` (``docker-json-file>nginx-combined``);
- ``TITLE``: one line for ``oauthtrace formats``;
- ``sniff(head) -> float``: 0 (certainly not) to 1 (certainly), from the first lines alone;
- ``peel(line, setting) -> list[Inner] | None``: what one line holds, None when the line is none of this carrier's. A
  file of such lines is read on where the last run stopped;
- ``records(stream, setting) -> Iterator[Inner]`` (optional, with ``is_document(head)``): the same for a document that is
  no file of lines. It is read whole each time;
- ``SOFT`` (optional): its looks are not telling, so that it counts only when a known format is in it;
- ``WHOLE`` (optional): Rust pattern of lines that are no pieces of a longer one;
- ``CLOSED`` (optional): Rust pattern of lines whose content may stand there encoded, so that a search in the line as it
  is could miss what is in it;
- ``EACH`` (optional): Rust pattern that stands once in every record of a line that may hold several.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import cache
from typing import Any, NamedTuple, Protocol

from oauthtrace.sources import lines_of

JSON_CLOSED = r"\\[/u]"
"""Escapes that may stand for a letter of a word that is searched for; those of quotes and line ends may not."""


class Inner(NamedTuple):
    """A record that was in a carrier.

    Attributes:
        text: what was written, without a newline at its end.
        time: when, by the carrier's clock: epoch seconds.
        zoned: whether that time's zone is known.
        source: who wrote it: host, unit, container, stream. Pieces and entries are joined per source.
        open: it goes on in the next record of this source.
        level: severity, where the writer itself gave one.
    """

    text: str
    time: float | None = None
    zoned: bool = True
    source: str = ""
    open: bool = False
    level: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a carrier is told of the input.

    Attributes:
        zone: of times that are written without one.
        latest: when the input was changed last, epoch seconds: no record is younger. Tells the year where none is written.
    """

    zone: tzinfo = UTC
    latest: float = 0.0


class Carrier(Protocol):
    """What a carrier module offers."""

    NAME: str
    TITLE: str
    sniff: Callable[[bytes], float]


@cache
def carriers() -> dict[str, Carrier]:
    """Name -> carrier module: those of this folder."""
    found: dict[str, Any] = {}
    for info in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = importlib.import_module(info.name)
        if hasattr(module, "sniff"):
            found[module.NAME] = module
    return found


def weigh(head: bytes) -> list[tuple[float, str]]:
    """Every carrier's score for the first bytes of an input, best first."""
    return sorted(((carrier.sniff(head), name) for name, carrier in carriers().items()), reverse=True)


def share(head: bytes, peel: Callable[[str, Setting], list[Inner] | None]) -> float:
    """The share of the first lines that a carrier can take the wrapping off."""
    first = lines_of(head)
    setting = Setting()
    return sum(peel(line, setting) is not None for line in first) / len(first) if first else 0.0
