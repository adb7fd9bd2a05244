"""What a request shows of OAuth: its parameters, and the oddities of how they were sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from oauthtrace.oauth import pkce
from oauthtrace.oauth.endpoints import CLIENT_STEPS
from oauthtrace.oauth.parameters import OAUTH_NAMES, Parameters
from oauthtrace.oauth.redirect_uri import malformed

if TYPE_CHECKING:
    from oauthtrace.oauth.observe import RawExchange
    from oauthtrace.privacy import Redactor

_WORDS = re.compile(r"[A-Za-z_ ]{0,200}\Z")
_KEPT = dict.fromkeys(("grant_type", "response_type", "scope", "prompt", "code_challenge_method"), _WORDS)
_KEPT["client_id"] = re.compile(r"(?!eyJ)[\w.:/@+-]{1,200}\Z")
"""Parameter, kept under its name -> values that need no look by the redactor: plain words, and client ids, which are no
secret (RFC 6749 §2.2) however random."""

_FINGERPRINTED = {
    "code": ("code_fp", "code"),
    "state": ("state_fp", "state"),
    "nonce": ("nonce_fp", "nonce"),
    "refresh_token": ("refresh_token_fp", "refresh"),
    "device_code": ("device_code_fp", "device"),
    "request_uri": ("request_uri_fp", "par"),
    "code_challenge": ("challenge_fp", "verifier"),
    "code_verifier": ("verifier_fp", "verifier"),
}
"""Secret parameter -> the column of its fingerprint, and its kind."""


def take(row: dict[str, Any], facts: set[str], raw: RawExchange, sent: Parameters, redactor: Redactor) -> None:
    """Put what a request shows into its row and its facts.

    Args:
        row: takes the columns; it knows its step.
        facts: take what is odd.
        raw: the exchange, secrets and all.
        sent: its parameters.
        redactor: makes the fingerprints.
    """
    if raw.request_headers:
        _headers(row, facts, raw.request_headers, redactor)
    if sent.values:
        _parameters(row, facts, sent.values, redactor)
        facts.update([f"repeated {name}" for name in sent.repeated])
        _carrier(row["step"], facts, raw, sent)
    elif row["step"] == "token" and raw.request_body == "" and "body" in raw.sees:
        facts.add("empty-body")


def _headers(row: dict[str, Any], facts: set[str], headers: Mapping[str, str], redactor: Redactor) -> None:
    if agent := headers.get("user-agent"):
        row["user_agent"] = redactor.text(agent) if "=" in agent or "eyJ" in agent else agent
        if "; wv)" in agent:
            facts.add("embedded-webview")
    row["origin"] = headers.get("origin")
    referer = headers.get("referer")
    if referer and "://" in referer and "[" not in referer:
        row["referer_host"] = urlsplit(referer).netloc.rpartition("@")[2].lower() or None
    if content_type := headers.get("content-type"):
        row["content_type"] = content_type.partition(";")[0].strip().lower() or None
    if (cookie := headers.get("cookie")) is not None:
        row["cookie_names"] = _cookie_names(cookie)
    if headers.get("sec-fetch-mode") == "cors":
        facts.add("browser-fetch")


def _cookie_names(header: str) -> list[str]:
    return sorted({part.partition("=")[0].strip()[:60] for part in re.split(r"[;\n]", header) if "=" in part})[:40]


def _parameters(row: dict[str, Any], facts: set[str], values: Mapping[str, str], redactor: Redactor) -> None:
    for name, value in values.items():
        if name in OAUTH_NAMES and (not value or _may_be_odd(value)):
            _oddity(name, value, facts)
        if harmless := _KEPT.get(name):
            row[name] = value if harmless.match(value) else redactor.text(value)[:2000]
        elif place := _FINGERPRINTED.get(name):
            row[place[0]] = redactor.fingerprint(place[1], value)
    if not row.get("device_code_fp"):
        row["device_code_fp"] = redactor.fingerprint("device", values.get("auth_req_id"))
    if row["step"] == "device-authorization":
        row.pop("code_fp", None)
    elif row["step"] in ("introspection", "revocation"):
        row["token_fp"] = redactor.fingerprint("token", values.get("token"))
    row["audience"] = values.get("resource") or values.get("audience")
    if (redirect := values.get("redirect_uri")) is not None:
        row["redirect_uri"] = redactor.url(redirect)
        if redirect and (reason := malformed(redirect)):
            facts.add(f"redirect_uri: {reason}")
    if challenge := values.get("code_challenge"):
        hashed = values.get("code_challenge_method", "").lower() == "s256" and pkce.looks_hashed(challenge)
        row["code_challenge"] = challenge if hashed else row["challenge_fp"]
    if (verifier := values.get("code_verifier")) is not None:
        row["verifier_length"] = len(verifier)
        if verifier:
            row["verifier_s256"] = pkce.s256(verifier)
            row["s256_fp"] = redactor.fingerprint("verifier", row["verifier_s256"])
            if not pkce.well_formed(verifier):
                facts.add("verifier-malformed")
    scope = values.get("scope")
    if scope and " " not in scope and ("," in scope or ";" in scope or "|" in scope):
        facts.add("scope delimited by other than a blank")


# --- oddities -----------------------------------------------------------------------------------------------------------

_PLACEHOLDERS = ("undefined", "null", "None", "[object Object]")
_ENCODED_TWICE = re.compile(r"%(?:2F|3A|20|2B|3D|7C)", re.IGNORECASE)


def _may_be_odd(value: str) -> bool:
    """Whether a value that is not empty deserves a look: said of few."""
    return value[0] in "unN[$%{<" or "%" in value or value[0].isspace() or value[-1].isspace()


def _oddity(name: str, value: str, facts: set[str]) -> None:
    if not value:
        facts.add(f"empty {name}")
    elif value != value.strip():
        facts.add(f"white space around {name}")
    elif value in _PLACEHOLDERS or (value.startswith(("${", "{{", "%{", "<")) and value.endswith(("}", ">"))):
        facts.add(f"placeholder {name}")
    if name in ("code", "redirect_uri", "scope", "state") and _ENCODED_TWICE.search(value):
        facts.add(f"encoded twice {name}")


def _carrier(step: str, facts: set[str], raw: RawExchange, sent: Parameters) -> None:
    """How the parameters came, and which are not there where all can be seen."""
    if step in CLIENT_STEPS:
        if sent.carrier and sent.carrier.startswith(("json", "multipart")):
            facts.add(f"{sent.carrier} body")
        elif sent.carrier == "form-under-other":
            facts.add("form body under another content type")
        if not sent.body and sent.query.keys() & {"grant_type", "code", "client_secret", "refresh_token"}:
            facts.add("parameters in query")
    if "body" in raw.sees or sent.body:
        facts.update([f"no {name}" for name in _absent(step, sent.values)])


_REQUIRED = {
    "authorization_code": ("code",),
    "refresh_token": ("refresh_token",),
    "password": ("username", "password"),
    "urn:ietf:params:oauth:grant-type:device_code": ("device_code",),
    "urn:ietf:params:oauth:grant-type:jwt-bearer": ("assertion",),
    "urn:ietf:params:oauth:grant-type:token-exchange": ("subject_token", "subject_token_type"),
}
"""Grant type -> parameters that it demands (RFC 6749 §4.1.3, §4.3.2, §6; RFC 8628 §3.4; RFC 7523 §2.1; RFC 8693 §2.1)."""
_TOKEN_NAMES = frozenset(
    ["redirect_uri", "code_verifier", "client_id", "client_secret", "scope", "audience", "resource"]
)
_AUTHORIZATION_NAMES = frozenset(
    ["client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method"]
)


def _absent(step: str, values: Mapping[str, str]) -> AbstractSet[str]:
    """The parameters that a request of this step could have and does not have."""
    names = values.keys()
    if step == "token":
        grant = values.get("grant_type")
        absent = _TOKEN_NAMES - names
        if not grant:
            return absent | {"grant_type"}
        return absent | (set(_REQUIRED.get(grant, ())) - names)
    if step in ("authorization", "par") and "request_uri" not in names and "request" not in names:
        return _AUTHORIZATION_NAMES - names
    return frozenset()
