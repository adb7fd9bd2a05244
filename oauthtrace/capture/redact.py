"""Whole messages with their secrets replaced: headers, parameters, bodies. For the redacted HAR and for the content view."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote_plus

from oauthtrace.privacy import SECRET_HEADERS, Redactor, kind_of

DEEPEST = 20
_COOKIE_PARTS = re.compile(r"([^=;\s]+)=([^;\n]*)")
_ATTRIBUTES = ("path", "domain", "expires", "max-age", "samesite", "priority")
_URL_HEADERS = ("location", "referer", "content-location", "origin")
_HASHED = "s256"


def header(name: str, value: str, redactor: Redactor) -> str:
    """The value of a header as it may be shown: of cookies the names, of credentials the scheme."""
    lowered = name.lower()
    if lowered in ("cookie", "set-cookie"):
        return _COOKIE_PARTS.sub(
            lambda m: m[0] if m[1].lower() in _ATTRIBUTES else f"{m[1]}={redactor.fingerprint('cookie', m[2]) or ''}",
            value,
        )
    if SECRET_HEADERS.match(lowered) or kind_of(lowered):
        scheme, blank, credentials = value.partition(" ")
        kind = "secret" if scheme.lower() == "basic" else kind_of(lowered) or "token"
        shown = redactor.fingerprint(kind, credentials if blank else value) or ""
        return f"{scheme} {shown}" if blank else shown
    if lowered in _URL_HEADERS:
        return redactor.url(value)
    return redactor.text(value)


def parameter(name: str, value: str, redactor: Redactor, *, hashed_challenge: bool = False) -> str:
    """The value of a parameter as it may be shown. A code_challenge is shown when it is a hash (RFC 7636 §4.2)."""
    if name == "code_challenge" and hashed_challenge:
        return value
    if kind := kind_of(name):
        return redactor.fingerprint(kind, value) or ""
    return redactor.url(value) if "://" in value else redactor.text(value)


def parameters(pairs: Iterable[tuple[str, str]], redactor: Redactor) -> list[tuple[str, str]]:
    """Decoded parameters with every secret replaced."""
    listed = list(pairs)
    hashed = any(name == "code_challenge_method" and value.lower() == _HASHED for name, value in listed)
    return [(name, parameter(name, value, redactor, hashed_challenge=hashed)) for name, value in listed]


def body(text: str, media_type: str, redactor: Redactor) -> str:
    """A body with every secret replaced: JSON and forms member by member, anything else as free text."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.dumps(members(json.loads(text), redactor), ensure_ascii=False)
        except (ValueError, RecursionError):
            return redactor.text(text)
    if "form-urlencoded" in media_type:
        pairs = [part.partition("=")[::2] for part in text.split("&") if part]
        shown = parameters([(unquote_plus(name), unquote_plus(value)) for name, value in pairs], redactor)
        return "&".join(f"{quote(name, safe='')}={quote(value, safe=':/')}" for name, value in shown)
    if "multipart/" in media_type:
        return re.sub(
            r'(name="([^"]+)"(?:[^\r\n]*\r?\n)+?\r?\n)([^\r\n]*)',
            lambda m: m[1] + parameter(m[2], m[3], redactor),
            text,
        )
    return redactor.text(text)


def members(value: Any, redactor: Redactor, name: str = "", depth: int = 0) -> Any:
    """A JSON value with every secret replaced; what lies too deep is left out."""
    if depth > DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {key: members(inner, redactor, key, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [members(inner, redactor, name, depth + 1) for inner in value]
    if isinstance(value, str):
        return parameter(name, value, redactor)
    return (
        (redactor.fingerprint(kind, str(value)) or "")
        if isinstance(value, int) and (kind := _numeric_secret(name))
        else value
    )


def _numeric_secret(name: str) -> str | None:
    """The kind of a secret that may be a number: a PIN, a one-time code."""
    kind = kind_of(name)
    return kind if kind in ("password", "secret") or name in ("otp", "user_code") else None
