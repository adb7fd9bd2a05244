"""Which carriers and which format an input has: told by its first bytes, or by the user."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

from oauthtrace.sources import CERTAIN_ENOUGH, HEAD_BYTES, Format, Reading, carriers, formats, weigh
from oauthtrace.sources.carriers import Carrier, Setting
from oauthtrace.sources.peeling import Peeled

MOST_CARRIERS = 4
"""Carriers inside of each other that are looked for."""
UNSURE = "read as text: "
"""What a note about an input begins with whose lines are nearly those of a format."""
WORTH_SAYING = 0.1
"""A format with a lower score is not mentioned as one that was weighed."""


@dataclass(frozen=True, slots=True)
class How:
    """How inputs are to be read, as far as the user says so.

    Attributes:
        input_format: name of the format, or of carriers and format (``cri>nginx-combined``).
        zone: of times that are written without one.
        own: formats that the user describes: a format string, a mapping of keys.
    """

    input_format: str | None = None
    zone: tzinfo = UTC
    own: tuple[Format, ...] = ()


AS_IT_COMES = How()


class Choice(NamedTuple):
    """What an input is.

    Attributes:
        chain: its carriers, the outermost first.
        form: the format inside.
        document: the outermost carrier is no file of lines.
    """

    chain: tuple[Carrier, ...]
    form: Format
    document: bool = False

    @property
    def name(self) -> str:
        """As ``inputs[].format`` shows it."""
        return ">".join([*(carrier.NAME for carrier in self.chain), self.form.NAME])

    @property
    def by_line(self) -> bool:
        """Whether positions are lines of the file, and reading may go on where it stopped."""
        return not self.document and bool(getattr(self.form, "BY_LINE", False))


class UnknownName(ValueError):  # noqa: N818 - it names what is wrong
    """A name that is neither a format nor a carrier; the message lists those that are."""


def named(text: str, own: tuple[Format, ...] = ()) -> tuple[tuple[Carrier, ...], Format]:
    """The carriers and the format of ``docker-json-file>nginx-combined`` or ``nginx-combined``.

    Raises:
        UnknownName: a part that is none.
    """
    *outer, inner = (part.strip() for part in text.split(">"))
    known = _known(own)
    for name in outer:
        if name not in carriers.carriers():
            raise UnknownName(f"no carrier {name!r}; one of {', '.join(sorted(carriers.carriers()))}")
    if inner not in known:
        raise UnknownName(f"no format {inner!r}; one of {', '.join(sorted(known))}")
    return tuple(carriers.carriers()[name] for name in outer), known[inner]


def _known(own: tuple[Format, ...]) -> dict[str, Format]:
    """Name -> format: the registry's, then the user's."""
    return formats() | {form.NAME: form for form in own}


def choose(head: bytes, reading: Reading, how: How = AS_IT_COMES) -> Choice | None:
    """What an input is by its first bytes; None, with the reason in the reading, when it is nothing to read."""
    if not head.strip():
        reading.notes.append("the file is empty")
        return None
    wanted = None
    if how.input_format is not None:
        chain, wanted = named(how.input_format, how.own)
        if chain:
            return Choice(chain, wanted, document=_is_document(chain[0], head))
    layer = _layer(head, how, wanted, 0)
    if wanted is None and layer.form is not None and layer.form.NAME == "text":
        close = [(score, name) for score, name in layer.weighed if name != "text" and score > WORTH_SAYING]
        if close:
            reading.notes.append(f"{UNSURE}{_weighed(close)}; name it with --input-format if it is one")
    if layer.form is not None:
        return Choice(layer.chain, layer.form, layer.document)
    binary = b"\0" in head
    reason = "not text and no known capture format" if binary else "no known format"
    if close := [(score, name) for score, name in layer.weighed if score > WORTH_SAYING]:
        reason = f"{reason}: {_weighed(close)}"
    reading.reject(None, reason, "" if binary else head[:60].decode("utf-8", "replace"))
    return None


def _weighed(scored: list[tuple[float, str]]) -> str:
    listed = ", ".join(f"{name} {score:.2f}" for score, name in scored[:3])
    return f"weighed {listed}, and {CERTAIN_ENOUGH:.2f} is needed"


class _Layer(NamedTuple):
    """What stands in one layer and those below: formats' scores of the innermost, the best first."""

    chain: tuple[Carrier, ...]
    form: Format | None
    weighed: list[tuple[float, str]]
    document: bool = False
    score: float = 0.0


def _layer(head: bytes, how: How, wanted: Format | None, depth: int) -> _Layer:
    own = _own_layer(head, how, wanted)
    if depth >= MOST_CARRIERS:
        return own
    for score, name in carriers.weigh(head):
        if score < CERTAIN_ENOUGH or score < own.score:
            break
        carrier = carriers.carriers()[name]
        document = _is_document(carrier, head)
        if document and depth:
            continue
        inside = _peeled(carrier, head, document=document)
        inner = _layer(inside, how, wanted, depth + 1) if inside.strip() else _Layer((), formats()["text"], [])
        soft = getattr(carrier, "SOFT", False) and not document
        if inner.form is None or (soft and inner.score < CERTAIN_ENOUGH):
            continue
        return inner._replace(chain=(carrier, *inner.chain), document=document, score=max(score, inner.score))
    return own


def _own_layer(head: bytes, how: How, wanted: Format | None) -> _Layer:
    """The best format of a layer, its carriers not counted."""
    if wanted is not None:
        return _Layer((), wanted, [], score=wanted.sniff(head))
    scored = [(form.sniff(head), form.NAME) for form in how.own] + weigh(head)
    known = _known(how.own)
    scored.sort(key=lambda pair: -pair[0])  # what the user describes comes first among equals
    best, name = scored[0]
    if best >= CERTAIN_ENOUGH:
        return _Layer((), known[name], scored, score=best)
    text = any(score > 0 and other == "text" for score, other in scored)
    return _Layer((), known["text"] if text else None, scored)


def _is_document(carrier: Any, head: bytes) -> bool:
    return hasattr(carrier, "is_document") and (not hasattr(carrier, "peel") or carrier.is_document(head))


def _peeled(carrier: Carrier, head: bytes, *, document: bool) -> bytes:
    """The first bytes of what is in a carrier."""
    whole = head if document or len(head) < HEAD_BYTES else head[: head.rfind(b"\n") + 1] or head
    return io.BufferedReader(Peeled(io.BytesIO(whole), [carrier], Setting(), document=document)).read(HEAD_BYTES)
