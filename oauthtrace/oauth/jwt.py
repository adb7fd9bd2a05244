"""Harmless parts of a JSON Web Token (RFC 7519): header and claims. Signatures are never kept and never checked."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

HARMLESS_CLAIMS = (
    "iss",
    "aud",
    "azp",
    "appid",
    "client_id",
    "exp",
    "iat",
    "nbf",
    "scope",
    "scp",
    "acr",
    "typ",
    "ver",
    "auth_time",
)


def decode_segment(segment: str) -> dict[str, Any] | None:
    """The JSON object in one base64url segment, or None when there is none."""
    try:
        data = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def read(token: str | None) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(header, claims) of a signed or unsigned JWT; None when the text is no JWT (opaque token, JWE, cut off)."""
    if not token or not token.startswith("eyJ"):
        return None
    parts = token.split(".")
    if len(parts) != 3:
        return None
    header, claims = decode_segment(parts[0]), decode_segment(parts[1])
    return None if header is None or claims is None else (header, claims)


def words(value: Any) -> str | None:
    """A claim that may be a string or a list of strings (aud, scope), blank-separated."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(str(v) for v in value)
    return None


def number(value: Any) -> float | None:
    """A NumericDate as written, or None."""
    return (
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 else None
    )
