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
from functools import lru_cache
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
    "code_challenge": "verifier",
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

# --- secrets in free text -----------------------------------------------------------------------------------------------

_KINDS = "|".join(sorted({*SECRET_PARAMETERS.values(), "opaque", "user"}))
_MARK = re.compile(
    rf"(?:(?:{_KINDS}):[0-9a-f]{{8}}|\[?(?:FILTERED|REDACTED|redacted|hidden|secret)\]?|\*+|…|\.\.\.|-|null|None|nil|undefined)\Z"
)
"""What stands in a secret's place already: our own mark, or what others write."""

_WORDY_NAMES = {"request", "response"}
"""Names that are too common in prose and in code to be taken for a secret's in free text."""
_ENDINGS = r"[\w-]*(?:token|secret|password|passwd|passphrase|verifier|assertion|api[_-]?key|session[_-]?id|(?:auth|authorization|device|user|grant)_?code)"
"""Names that end like this hold secrets too, whatever stands before: ``github_client_secret``."""

_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?(?:\.[A-Za-z0-9_-]+){0,2}")
_HEADER = re.compile(
    # whatever follows the scheme in an Authorization header is a secret, however short
    r"""((?:proxy-)?authorization\\?["']?\s*(?::|=>|=|,)\s*\[?\\?["']?(?:Bearer|Basic|DPoP|Token|Negotiate|MAC)\s+)([^\s"',;\\\]}]+)""",
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"\b(Bearer|Basic|DPoP|Token)([ =+:]|%20)+(?!realm\b|error|scope\b|authorization\b)([A-Za-z0-9+/._~=%-]{12,})",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"""(?<=://)([^\s/?#"'<>\\]+)@""")
_NAME = re.compile(
    # a name and = or : or => (also quoted or escaped): what follows is its value
    r"""(?<![\w-])(?P<name>[\w-]++)(?P<glue>\\?["']?\]?\s*(?:=>|=|:)\s*\[?(?:b(?=\\?["']))?(?P<quote>\\?["'])?)"""
)
_VALUE = {
    quote: re.compile(rf"(?:(?!{re.escape(quote)})(?:\\.|[^\\\r\n]))+")
    if quote
    else re.compile(r"""[^\s"'&;,<>(){}\[\]|\\]+""")
    for quote in ("", '"', "'", '\\"', "\\'")
}
"""Opening quote -> the value up to what ends it."""
_COOKIES = re.compile(r"""[^"'\r\n]+""")
_ENCODED_NAME = re.compile(r"(?P<name>[\w-]++)(?P<glue>%(?:25)*3D)(?P<quote>)", re.IGNORECASE)
"""The same inside of a percent-encoded URL, encoded once or more."""
_ENCODED_START = re.compile(r"(?:25)*(?:3F|26|23|22|7B)", re.IGNORECASE)
_ENCODED_VALUE = re.compile(r"""(?:(?!%(?:25)*(?:26|23|22|7D))[^\s"'&<>(){}\[\]|\\])+""", re.IGNORECASE)
_LISTED_NAME = re.compile(
    r"""(?P<quote>["'])(?P<name>[\w-]++)(?P=quote)\s*,\s*(?:["']value["']\s*:\s*)?["']|<(?P<tag>[\w-]++)>"""
)
"""``{"name": "code", "value": "…"}``, ``("code", "…")`` and ``<access_token>…</access_token>``."""
_LISTED_VALUE = re.compile(r"[^\"'<\r\n]+")
_OPAQUE = re.compile(r"(?<![A-Za-z0-9_./%+~-])[A-Za-z0-9_~+/-]{32,}={0,2}(?![A-Za-z0-9_./-]*\.[a-z]{2,})")
_KNOWN_HARMLESS = re.compile(
    r"(?:client_?id|app_?id|azp|aud|audience|kid|x5t|thumbprint|(?:trace|span|request|correlation|transaction|activity)[ _-]?id|code_challenge|etag|sha-?(?:1|256|512)|digest|commit|version)"
    r"""\\?["']?\s*(?:[=:]\s*)?\[?\\?["']?\Z""",
    re.IGNORECASE,
)
"""What stands before a long random value that is no secret."""

_HARMLESS_VALUE = re.compile(
    r"(?:\d{1,3}|true|false|expired|invalid|incorrect|wrong|missing|mismatch|revoked|empty|is|was|are|not|has|the|a|an|and|for|from|required|must|does|cannot|could|should)\Z",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"(?:[a-z]{1,20}(?:[_-][a-z]{1,20})*|[A-Z]{1,20}(?:_[A-Z]{1,20})*|(?:[A-Z][a-z]{2,15}){1,6})[.!?]?\Z"
)
"""A plain word, an error's name in snake_case, CAPITALS or CamelCase: no server makes up codes that read like that."""
_ERROR_NUMBER = re.compile(r"[A-Z]{1,8}[-_]?\d{2,8}\Z")
_HASHED = re.compile(r"code_challenge_method=s256", re.IGNORECASE)
_IDENTIFIER = re.compile(r"^(?:[a-z]{2,}(?:[A-Z][a-z]+)+|[A-Za-z]{2,}(?:[_.-][A-Za-z]+)+|[A-Z][A-Z_]{3,})$")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)


@lru_cache(maxsize=16_384)
def kind_of(name: str) -> str | None:
    """The kind of secret that a parameter, header, cookie or member of this name holds; None when it holds none."""
    bare = name.lower()
    if kind := SECRET_PARAMETERS.get(bare):
        return kind
    if not _SECRET_NAME.match(bare):
        return None
    return next((kind for word, kind in _KIND_OF_ENDING if word in bare), "token")


_SECRET_NAME = re.compile(rf"{_ENDINGS}\Z")
_KIND_OF_ENDING = (
    ("secret", "secret"),
    ("refresh", "refresh"),
    ("pass", "password"),
    ("verifier", "verifier"),
    ("assertion", "assertion"),
    ("session", "session"),
    ("code", "code"),
)


_LONG_PART = re.compile(r"[^/]{32}")


class Redactor:
    """Turns secrets into fingerprints with one key.

    Args:
        key: secret bytes, at least 16; see :func:`load_key`.
    """

    __slots__ = ("_keyed", "_recent")
    RECENT = 16
    """So many fingerprints are kept at hand: one exchange shows a secret in its URL and again as a parameter."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("a fingerprint key needs at least 16 bytes")
        self._keyed = hmac.new(key, digestmod="sha256")
        """The key's part of every HMAC, done once."""
        self._recent: dict[str, str] = {}

    def __repr__(self) -> str:
        return "Redactor(…)"

    def fingerprint(self, kind: str, value: str | None) -> str | None:
        """``kind:8hex`` of a value; None of None or of an empty value."""
        if not value:
            return None
        digits = self._recent.get(value)
        if digits is None:
            mac = self._keyed.copy()
            mac.update(value.encode("utf-8", "surrogatepass"))
            if len(self._recent) >= self.RECENT:
                self._recent.clear()
            digits = self._recent[value] = mac.digest()[:4].hex()
        return f"{kind}:{digits}"

    def url(self, url: str) -> str:
        """A URL whose secret query, fragment and user-info values are fingerprints; everything else stays as it was."""
        head, mark, tail = url.partition("?")
        head, hash_mark, fragment = head.partition("#") if not mark else (head, "", "")
        if mark:
            query, hash_mark, fragment = tail.partition("#")
            head = f"{self._head(head)}?{self._query(query)}"
        else:
            head = self._head(head)
        if not hash_mark:
            return head
        return f"{head}#{self.url(fragment) if '?' in fragment else self._query(fragment)}"

    def _head(self, head: str) -> str:
        """Scheme, authority and path."""
        scheme, mark, rest = head.rpartition("://")
        if mark and "@" in rest:
            authority, slash, path = rest.partition("/")
            userinfo, at, host = authority.rpartition("@")
            head = f"{scheme}://{self._mark('password', userinfo)}{at}{host}{slash}{path}" if userinfo else head
        if "%" in head:
            head = self._encoded(head)
        if "eyJ" in head:
            head = _JWT.sub(lambda m: self._mark("token", m[0]), head)
        if len(head) < 32 or not _LONG_PART.search(head):
            return head
        return "/".join(
            self._mark("opaque", part) if len(part) >= 32 and _OPAQUE.fullmatch(part) and _looks_random(part) else part
            for part in head.split("/")
        )

    def _query(self, query: str) -> str:
        if "=" not in query:
            return self.text(query) if query else query
        parts = []
        for part in query.split("&"):
            name, equals, value = part.partition("=")
            if value:
                kind = kind_of(unquote(name)) if "%" in name else kind_of(name)
                if kind and not (
                    name == "code_challenge" and _HASHED.search(query)
                ):  # a plain one is the verifier itself (RFC 7636 §4.2)
                    value = self._mark(kind, unquote_plus(value) if "%" in value or "+" in value else value)
                elif len(value) > 12:
                    value = self._inner(name, value)
            parts.append(f"{name}{equals}{value}")
        return "&".join(parts)

    def _inner(self, name: str, value: str) -> str:
        """A harmless parameter's value, which may itself be a URL or hold a token."""
        plain = unquote_plus(value)
        if "?" in plain or "#" in plain:
            clean = self.url(plain) if "://" in plain or plain.startswith("/") else self.text(plain)
        elif "%" in plain or "=" in plain or "@" in plain or "eyJ" in plain or " " in plain:
            clean = self.text(plain)
        elif len(plain) >= 32 and not _KNOWN_HARMLESS.search(name):
            clean = self._opaque(plain)
        else:
            return value
        return value if clean == plain else quote(clean, safe=":/")

    def text(self, text: str) -> str:
        """Free text with tokens, credentials and secret ``name=value`` pairs replaced; repeated calls change nothing."""
        if len(text) < 6:
            return text
        out = _JWT.sub(lambda m: self._mark("token", m[0]), text) if "eyJ" in text else text
        if _MAY_HOLD_HEADERS.search(out):
            out = _HEADER.sub(lambda m: f"{m[1]}{self._mark('token', m[2])}", out)
            out = _SCHEME.sub(lambda m: f"{m[1]} {self._mark('token', m[3])}" if _looks_secret(m[3]) else m[0], out)
        if "@" in out:
            out = _USERINFO.sub(lambda m: f"{self._mark('password', m[1])}@", out)
        if "%" in out:
            out = self._encoded(out)
        out = self._replace(out, _NAME, self._pair)
        if "," in out or "</" in out:
            out = self._replace(out, _LISTED_NAME, self._listed)
        return self._opaque(out)

    def _encoded(self, text: str) -> str:
        return self._replace(text, _ENCODED_NAME, self._pair)

    @staticmethod
    def _replace(
        text: str, names: re.Pattern[str], replace: Callable[[str, re.Match[str]], tuple[int, str] | None]
    ) -> str:
        """Every value behind a name replaced; ``replace`` gives where the value ends and what takes its place, or None."""
        done = 0
        out: list[str] = []
        for match in names.finditer(text):
            if match.start() >= done and (new := replace(text, match)) is not None:
                out += (text[done : match.end()], new[1])
                done = new[0]
        return "".join((*out, text[done:])) if out else text

    def _pair(self, text: str, match: re.Match[str]) -> tuple[int, str] | None:  # noqa: PLR0911 - one reason after another to leave it
        name, encoded = match["name"].lower(), match["glue"][0] == "%"
        if encoded:
            name = _ENCODED_START.sub("", name, 1)
        kind = kind_of(name)
        if kind is None or name in _WORDY_NAMES:
            return None
        quoted = match["quote"] or ""
        pattern = _ENCODED_VALUE if encoded else _COOKIES if kind == "cookie" and not quoted else _VALUE[quoted]
        found = pattern.match(text, match.end())
        if found is None:
            return None
        value = found[0]
        if (
            _MARK.match(value)
            or _HARMLESS_VALUE.match(value)
            or (match["glue"] == ":" and _MARK.match(f"{name}:{value}"))
        ):
            return None
        if name == "request_uri" and value.startswith(("/", "http")):
            return found.end(), self.url(value)  # nginx's name for the request's own path and query
        if kind == "cookie":
            return (found.end(), self._mark(kind, value)) if "=" in value else None
        if kind not in _ALWAYS:
            if _WORDS.match(value) or (name == "code" and _ERROR_NUMBER.match(value)):
                return None
            if ":" in match["glue"] and not quoted and not _looks_secret(value):
                return None  # "token: Signature has expired" is prose, "token: 4/0AX…" is not
        return found.end(), self._mark(kind, unquote(value) if "%" in value else value)

    def _listed(self, text: str, match: re.Match[str]) -> tuple[int, str] | None:
        kind = kind_of(match["name"] or match["tag"])
        found = _LISTED_VALUE.match(text, match.end())
        if kind is None or found is None or (match["tag"] and match["tag"].lower() in ("code", "state", "token")):
            return None
        if not _looks_secret(found[0]) and kind not in ("cookie", *(_ALWAYS if match["tag"] else ())):
            return None
        return found.end(), self._mark(kind, found[0])

    def _opaque(self, text: str) -> str:
        if len(text) < 32:
            return text
        return _OPAQUE.sub(
            lambda m: (
                self._mark("opaque", m[0])
                if _looks_random(m[0]) and not _KNOWN_HARMLESS.search(text, max(0, m.start() - 40), m.start())
                else m[0]
            ),
            text,
        )

    def _mark(self, kind: str, value: str) -> str:
        return value if _MARK.match(value) else self.fingerprint(kind, value) or ""


_ALWAYS = ("password", "secret")
"""Kinds that people choose: any value may be one, plain words too."""
_MAY_HOLD_HEADERS = re.compile(r"cookie|authorization|bearer|basic|dpop|token", re.IGNORECASE)


def _looks_secret(value: str) -> bool:
    return (
        len(value) >= 8
        and (any(c.isdigit() for c in value) or len(value) >= 20)
        and "=" not in value[:3]
        and not _WORDS.match(value)
    )


def _looks_random(value: str) -> bool:
    """Long, of mixed digits and letters, and neither a UUID nor a path."""
    if _UUID.match(value) or value.count("/") > 2 or value.count("-") > 6 or value.count("_") > 5:
        return False
    digits = sum(c.isdigit() for c in value)
    letters = sum(c.isalpha() for c in value)
    return digits >= 3 and letters >= 6 and len(set(value)) >= 12


def key_check(key: bytes) -> str:
    """What tells whether a key is the one that something was made with, and nothing else about it."""
    return hmac.digest(key, b"oauthtrace key check", "sha256")[:8].hex()


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
