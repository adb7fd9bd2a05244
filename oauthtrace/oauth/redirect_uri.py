"""How two redirect URIs differ. Servers compare them character by character (RFC 6749 §3.1.2.3, RFC 9700 §2.1)."""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import lru_cache
from urllib.parse import unquote, urlsplit

DIFFERENCES = ("scheme", "host", "port", "path", "trailing-slash", "query-or-fragment", "encoding")
"""What can differ, the names of the causes of the family ``redirect-uri``."""

_DEFAULT_PORT = {"http": 80, "https": 443}


def difference(sent: str | None, other: str | None) -> str | None:
    """The first part in which two redirect URIs differ, one of DIFFERENCES; None when equal or when one is unknown."""
    if sent is None or other is None or sent == other:
        return None
    if unquote(unquote(sent.strip())) == unquote(unquote(other.strip())):
        return "encoding"
    try:
        a, b = urlsplit(sent.strip()), urlsplit(other.strip())
        ports = a.port or _DEFAULT_PORT.get(a.scheme), b.port or _DEFAULT_PORT.get(b.scheme)
        hosts = a.hostname, b.hostname
    except ValueError:
        return "encoding"
    if malformed(sent) and not malformed(other):
        return "encoding"
    if hosts != hosts[::-1]:
        return "host"
    if a.scheme != b.scheme:
        return "scheme"
    if ports != ports[::-1]:
        return "port"
    if a.path != b.path:
        return "trailing-slash" if a.path.rstrip("/") == b.path.rstrip("/") else "path"
    if (a.query, a.fragment) != (b.query, b.fragment):
        return "query-or-fragment"
    return "encoding"


@lru_cache(maxsize=4096)
def malformed(uri: str) -> str | None:
    """What is wrong with a redirect URI on its own, in words; None when nothing is."""
    if uri != uri.strip():
        return "white space at an end"
    if len(uri.split()) > 1:
        return "white space inside"
    if "%25" in uri.partition("?")[0] or "%3A%2F%2F" in uri.partition("?")[0] or "%3a%2f%2f" in uri.partition("?")[0]:
        return "percent-encoded twice"
    head = uri.partition("?")[0]
    if head.count("://") > 1 and not head.startswith("storagerelay:"):
        return "two schemes"
    if uri[:1] in "\"'<[" or uri[-1:] in "\"'>]":
        return "quotes or brackets around it"
    if ":" not in uri.partition("/")[0]:
        return "no scheme: not an absolute URI"
    try:
        _ = urlsplit(uri).port
    except ValueError:
        return "the port is no number"
    return None


def marks(sent: str, other: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Both URIs cut into (text, differs) pieces, to mark the differing characters one above the other.

    A missing piece is an empty text that differs, so that it can be shown as a gap.
    """
    left: list[tuple[str, bool]] = []
    right: list[tuple[str, bool]] = []
    for tag, a0, a1, b0, b1 in SequenceMatcher(None, sent, other, autojunk=False).get_opcodes():
        left.append((sent[a0:a1], tag != "equal"))
        right.append((other[b0:b1], tag != "equal"))
    return left, right
