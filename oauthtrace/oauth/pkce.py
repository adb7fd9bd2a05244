"""Proof Key for Code Exchange (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import re

_VERIFIER = re.compile(r"^[A-Za-z0-9._~-]{43,128}$")

_HASHED = re.compile(r"^[A-Za-z0-9_+/=-]{16,128}$")


def s256(verifier: str) -> str:
    """BASE64URL(SHA256(verifier)) without padding, RFC 7636 §4.2."""
    digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def looks_hashed(challenge: str) -> bool:
    """Whether a challenge can be a hash: base64url, whose padding and length some clients get wrong."""
    return bool(_HASHED.match(challenge))


def well_formed(verifier: str) -> bool:
    """43 to 128 unreserved characters, RFC 7636 §4.1."""
    return bool(_VERIFIER.match(verifier))
