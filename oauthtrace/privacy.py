"""What is secret, and what stands in its place.

A secret becomes a keyed fingerprint: the first 8 hex digits of HMAC-SHA-256 over the value alone, written
``kind:8hex``. The kind is not part of the keyed material, so the same code matches in a query, a body and a log line.
The key belongs to the database (or, without one, to the user's state folder): fingerprints of different databases
can't be compared, and short values can't be guessed from a report.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, unquote_plus

SECRET_PARAMETERS: dict[str, str] = {
    "code": "code",
    "authorization_code": "code",
    "auth_code": "code",
    "user_code": "code",
    "auth_req_id": "code",
    "ticket": "code",
    "otp": "code",
    "access_token": "token",
    "token": "token",
    "token_hint": "token",
    "oauth_token": "token",
    "id_token": "token",
    "id_token_hint": "token",
    "logout_token": "token",
    "subject_token": "token",
    "actor_token": "token",
    "jwt_token": "token",
    "jwt": "token",
    "registration_access_token": "token",
    "initial_access_token": "token",
    "api_key": "token",
    "apikey": "token",
    "x-api-key": "token",
    "accesstoken": "token",
    "idtoken": "token",
    "refreshtoken": "refresh",
    "refresh_token": "refresh",
    "client_secret": "secret",
    "clientsecret": "secret",
    "appsecret": "secret",
    "app_secret": "secret",
    "appsecret_proof": "secret",
    "secret": "secret",
    "oauth_token_secret": "secret",
    "password": "password",
    "passwd": "password",
    "pwd": "password",
    "passphrase": "password",
    "client_assertion": "assertion",
    "assertion": "assertion",
    "samlresponse": "assertion",
    "samlrequest": "assertion",
    "request": "assertion",
    "response": "assertion",
    "dpop": "assertion",
    "code_verifier": "verifier",
    "verifier": "verifier",
    "device_code": "device",
    "request_uri": "par",
    "state": "state",
    "relaystate": "state",
    "nonce": "nonce",
    "session_state": "session",
    "sid": "session",
    "session_id": "session",
    "sessionid": "session",
    "jsessionid": "session",
    "phpsessid": "session",
    "sig": "signature",
    "signature": "signature",
    "authorization": "token",
    "proxy-authorization": "token",
    "cookie": "cookie",
    "set-cookie": "cookie",
}
"""Names (lower case) of parameters, headers, cookies and JSON members whose value is secret -> kind."""

SECRET_HEADERS = re.compile(
    r"^(?:(?:proxy-)?authorization|(?:set-)?cookie|dpop|x-amzn-oidc-.*|x-forwarded-access-token|x-auth-request-.*token"
    r"|x-(?:access|id|auth|csrf|xsrf)-token|x-userinfo|x-api-key|x-ms-token-.*|ocp-apim-subscription-key)$",
    re.IGNORECASE,
)

_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?(?:\.[A-Za-z0-9_-]+){0,2}")
_SCHEME = re.compile(r"\b(Bearer|Basic|DPoP|Token)([ =+:]|%20)+(?!realm\b|error|scope\b|authorization\b)([A-Za-z0-9+/._~=%-]{12,})", re.I)
_MARK = re.compile(r"^(?:\w+:[0-9a-f]{8}|\[?(?:FILTERED|REDACTED|redacted|hidden|secret)\]?|\*+|…|\.\.\.|-|null|None|nil|undefined)$")
_NAMES = "|".join(sorted((re.escape(n) for n in SECRET_PARAMETERS if n not in {"request", "response"}), key=len, reverse=True))
_PAIR = re.compile(
    # name, then = or : or => (also quoted, escaped or percent-encoded), then the value up to what ends it
    rf"""(?<![A-Za-z0-9-])(?P<name>{_NAMES}|[a-z_]*(?:client_?secret|access_?token|refresh_?token|password))(?P<glue>\\?["']?\s*(?:=>|=|:|%3D|%3A)\s*(?:b?\\?["']|%22)?)(?P<value>[^\s"'&;,<>(){{}}\[\]|\\]+)""",
    re.IGNORECASE,
)
_OPAQUE = re.compile(r"(?<![A-Za-z0-9_./%:+~=-])[A-Za-z0-9_~+/=-]{32,}(?![A-Za-z0-9_./-]*\.[a-z]{2,})")
_HARMLESS_VALUE = re.compile(r"^(?:\d{1,3}|true|false|expired|invalid|missing|revoked|is|was|not|has|the|and|for|from|required)$", re.I)
_PROSE_NAMES = {"code", "token", "jwt", "assertion", "verifier", "state", "request", "response", "secret", "ticket", "signature", "nonce", "session_id", "authorization", "cookie"}
_HASHED = re.compile(r"code_challenge_method=s256", re.IGNORECASE)
_UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.I)


class Redactor:
    """Turns secrets into fingerprints with one key.

    Args:
        key: secret bytes, at least 16; see :func:`load_key`.
    """

    __slots__ = ("_digest", "_key")

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("a fingerprint key needs at least 16 bytes")
        self._key = key
        self._digest: Callable[[bytes, bytes, str], bytes] = hmac.digest

    def __repr__(self) -> str:
        return "Redactor(…)"

    def fingerprint(self, kind: str, value: str | None) -> str | None:
        """``kind:8hex`` of a value; None of None or of an empty value."""
        if not value:
            return None
        return f"{kind}:{self._digest(self._key, value.encode('utf-8', 'surrogatepass'), 'sha256')[:4].hex()}"

    def url(self, url: str) -> str:
        """A URL whose secret query, fragment and user-info values are fingerprints; everything else stays as it was."""
        head, mark, tail = url.partition("?")
        head, hash_mark, fragment = head.partition("#") if not mark else (head, "", "")
        if "@" in head and "://" in head:
            scheme, _, rest = head.partition("://")
            userinfo, at, hostpart = rest.partition("@")
            if at and "/" not in userinfo:
                head = f"{scheme}://{self.fingerprint('password', userinfo)}@{hostpart}"
        if mark:
            query, hash_mark, fragment = tail.partition("#")
            head = f"{self._opaque(head)}?{self._query(query)}"
        else:
            head = self._opaque(head)
        return f"{head}{hash_mark}{self._query(fragment)}" if hash_mark else head

    def _query(self, query: str) -> str:
        if "=" not in query:
            return self.text(query) if query else query
        parts = []
        for part in query.split("&"):
            name, equals, value = part.partition("=")
            plain = name.lower()
            kind = SECRET_PARAMETERS.get(plain) or SECRET_PARAMETERS.get(unquote(plain))
            if plain == "code_challenge" and not _HASHED.search(query):
                kind = "verifier"  # a plain challenge is the verifier itself (RFC 7636 §4.2)
            if kind and value:
                value = self.fingerprint(kind, unquote_plus(value)) or ""
            elif value and len(value) > 12:
                value = self._inner(value)
            parts.append(f"{name}{equals}{value}")
        return "&".join(parts)

    def _inner(self, value: str) -> str:
        """A harmless parameter's value, which may itself be a URL or hold a token."""
        plain = unquote_plus(value)
        if "?" in plain or "#" in plain:
            clean = self.url(plain) if "://" in plain or plain.startswith("/") else self.text(plain)
        elif "eyJ" in plain:
            clean = self.text(plain)
        else:
            return value
        return value if clean == plain else quote(clean, safe=":/")

    def text(self, text: str) -> str:
        """Free text with tokens, credentials and secret ``name=value`` pairs replaced; repeated calls change nothing."""
        if len(text) < 6:
            return text
        out = _JWT.sub(lambda m: self._mark("token", m[0]), text)
        out = _SCHEME.sub(lambda m: f"{m[1]} {self._mark('token', m[3])}" if _looks_secret(m[3]) else m[0], out)
        out = _PAIR.sub(self._pair, out)
        return self._opaque(out)

    def _pair(self, match: re.Match[str]) -> str:
        name, glue, value = match["name"], match["glue"], match["value"]
        bare = name.lower()
        kind = SECRET_PARAMETERS.get(bare)
        if kind is None:
            kind = next((k for word, k in (("secret", "secret"), ("refresh", "refresh"), ("pass", "password")) if word in bare), "token")
        if _MARK.match(value) or _HARMLESS_VALUE.match(value):
            return match[0]
        if ":" in glue and bare in _PROSE_NAMES and not _looks_secret(value):
            return match[0]  # "error code: redirect_uri_mismatch" is prose, "code: 4/0AX…" is not
        return f"{name}{glue}{self._mark(kind, unquote(value) if '%' in value else value)}"

    def _opaque(self, text: str) -> str:
        return _OPAQUE.sub(lambda m: self._mark("opaque", m[0]) if _looks_random(m[0]) else m[0], text) if len(text) >= 32 else text

    def _mark(self, kind: str, value: str) -> str:
        return value if _MARK.match(value) else self.fingerprint(kind, value) or ""


def _looks_secret(value: str) -> bool:
    return len(value) >= 8 and (any(c.isdigit() for c in value) or len(value) >= 20) and "=" not in value[:3]


def _looks_random(value: str) -> bool:
    """Long, of mixed digits and letters, and neither a UUID nor a path."""
    if _UUID.match(value) or value.count("/") > 2 or value.count("-") > 6 or value.count("_") > 5:
        return False
    digits = sum(c.isdigit() for c in value)
    letters = sum(c.isalpha() for c in value)
    return digits >= 3 and letters >= 6 and len(set(value)) >= 12


def load_key(path: Path | None = None) -> bytes:
    """The fingerprint key without a database: that of the user, made when it is not there (mode 0600).

    ``OAUTHTRACE_KEY`` (hex) overrides it. A folder that can't be written gives a key for this run alone.
    """
    if given := os.environ.get("OAUTHTRACE_KEY"):
        return bytes.fromhex(given)
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "oauthtrace"
    file = path or folder / "key"
    try:
        return bytes.fromhex(file.read_text().strip())
    except (OSError, ValueError):
        key = secrets.token_bytes(32)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(key.hex())
    except OSError:
        pass
    return key
