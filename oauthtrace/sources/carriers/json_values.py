"""What carriers of JSON share: a value a line, or a document that holds a list of values."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Any, BinaryIO

from oauthtrace.privacy import Redactor
from oauthtrace.sources import Reading
from oauthtrace.sources.carriers import Inner, Setting
from oauthtrace.sources.documents import Values

Unwrap = Callable[[Any, Setting], list[Inner] | None]
"""What a value holds, or None when it is none of the carrier's."""

_FEW = 50


class BrokenDocument(Exception):  # noqa: N818 - it names what is wrong
    """A document that can't be read on; the message says why."""


def of_line(line: str, unwrap: Unwrap, setting: Setting) -> list[Inner] | None:
    """What the JSON value of a line holds; None when the line is no such value."""
    if not line.lstrip("\ufeff\x1e \t").startswith("{"):
        return None
    try:
        value = json.loads(line.lstrip("\ufeff\x1e"))
    except (ValueError, RecursionError):
        return None
    return unwrap(value, setting)


def of_document(
    stream: BinaryIO, lists: Collection[str], unwrap: Unwrap, setting: Setting, deep: str | None = None
) -> Iterator[Inner]:
    """What the values of a document hold.

    Args:
        stream: the document: an array, an envelope around one of ``lists``, or values one after the other.
        lists: members of a top-level object that hold the values.
        unwrap: the carrier's.
        setting: of the input.
        deep: member, somewhere below the top, whose list holds the values.

    Raises:
        BrokenDocument: it is cut off or no JSON from some place on; what came before was given.
    """
    faults = _faults()
    values = Values(stream, faults, lists)
    if deep is not None and values.seek(deep) is None:
        raise BrokenDocument(f"no list {deep!r} in it")
    for _, value in values:
        inner = _unwrapped(value, lists, unwrap, setting)
        yield from [Inner(json.dumps(value, ensure_ascii=False))] if inner is None else inner
    if faults.rejects:
        raise BrokenDocument(faults.rejects[0].reason)


def document_share(head: bytes, lists: Collection[str], unwrap: Unwrap, deep: str | None = None) -> float:
    """The share of the first whole values of a document that are the carrier's; arguments as in :func:`of_document`."""
    if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] not in (b"{", b"["):
        return 0.0
    values = Values(io.BytesIO(head), _faults(), lists)
    if deep is not None and values.seek(deep) is None:
        return 0.0
    first = list(islice(values, _FEW))
    setting = Setting()
    return (
        sum(_unwrapped(value, lists, unwrap, setting) is not None for _, value in first) / len(first) if first else 0.0
    )


def _unwrapped(value: Any, lists: Collection[str], unwrap: Unwrap, setting: Setting) -> list[Inner] | None:
    """What a value holds; of an envelope whose list does not stand in front, all that is in it."""
    inner = unwrap(value, setting)
    if inner is not None or not isinstance(value, dict):
        return inner
    listed = next((value[name] for name in lists if isinstance(value.get(name), list)), None)
    if listed is None:
        return None
    return [found for element in listed for found in unwrap(element, setting) or ()]


def _faults() -> Reading:
    return Reading("", Redactor(bytes(16)))


def text_of(value: Any) -> str | None:
    """A message as text: a text as it is, an object as JSON; None when there is none."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) and value else None
