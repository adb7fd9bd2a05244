"""From one raw HTTP exchange to one row of the schema: facts are taken, then every secret is dropped.

:class:`RawExchange` is what a reader or the live hook hands over. It is the only object that holds secrets, it masks
its ``repr``, and it never leaves the call of :func:`observe`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

from oauthtrace.oauth import endpoints, errors, jwt, messages, parameters, pkce
from oauthtrace.oauth.redirect_uri import malformed
from oauthtrace.privacy import Redactor
from oauthtrace.providers import find_codes, provider_of

CAPTURE = ("query", "headers", "authorization", "body", "answer", "location")
"""What a full capture (HAR, mitmproxy) sees."""
ACCESS_LOG = ("query",)
"""What an access log sees."""

Headers = Mapping[str, str]


@dataclass(slots=True, repr=False)
class RawExchange:
    """One HTTP exchange as read, secrets and all. Header names are lower case; a repeated header is joined by newlines."""

    method: str
    url: str
    time: float | None = None
    """epoch seconds, UTC"""
    duration_ms: float | None = None
    request_headers: Headers = field(default_factory=dict)
    request_body: str | None = None
    status: int | None = None
    answer_headers: Headers = field(default_factory=dict)
    answer_body: str | None = None
    transport_error: str | None = None
    client_address: str | None = None
    user: str | None = None
    request_id: str | None = None
    note: str | None = None
    """what the gateway itself noted of the exchange: response flags, upstream errors"""
    code: str | None = None
    """the gateway's own code for what happened, where it is none that a text shows"""
    step: str | None = None
    """what the exchange is when nothing else shows it: a gateway that refused a bearer token guards a resource"""
    sees: tuple[str, ...] = CAPTURE
    facts: tuple[str, ...] = ()


def naive_utc(epoch: float | None) -> datetime | None:
    """Epoch seconds as UTC without zone; None when it is no time that can be written."""
    try:
        return None if epoch is None else datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(maxsize=1024)
def _http_date(text: str | None) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, IndexError):
        return None
    if parsed is None:
        return None
    return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed


def exchange_id(source_file: str, position: int | None, *facts: object) -> str:
    """A stable id of an exchange: of where it was read and of nothing that depends on the key."""
    name = source_file.rsplit("/", 1)[-1]
    return hashlib.blake2b(repr((name, position, *facts)).encode(), digest_size=8).hexdigest()


def observe(raw: RawExchange, redactor: Redactor, learnt: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """The row of one exchange, or None when nothing shows that it belongs to OAuth.

    Args:
        raw: the exchange as read.
        redactor: makes fingerprints with the database's key.
        learnt: endpoints from discovery documents of the same traffic, see :func:`oauthtrace.oauth.endpoints.learn`.
    """
    try:
        parts = urlsplit(raw.url)
        host = parts.netloc.rpartition("@")[2].lower()
    except ValueError:
        return None
    request, answer_headers = raw.request_headers, raw.answer_headers
    if _shows_only_a_path(raw, parts.query, parts.fragment) and not learnt and endpoints.by_path(parts.path) is None:
        return None  # most lines of an access log
    content_type = request.get("content-type", "").lower()
    sent = parameters.read(parts.query, raw.request_body, content_type)
    if parts.fragment and "=" in parts.fragment:
        fragment, _ = parameters.pairs(parts.fragment)
        if fragment.keys() & {"access_token", "id_token", "code", "error"}:
            sent.values = {**sent.values, **fragment}
    authorization = request.get("authorization")
    challenge = answer_headers.get("www-authenticate")
    body_members = errors.members(raw.answer_body)
    step = endpoints.recognise(
        raw.method,
        f"{parts.scheme}://{host}{parts.path}",
        parts.path,
        sent,
        body_members,
        learnt or {},
        authorization,
        challenge,
    )
    step = step or raw.step
    page = _error_page(raw, step, host, parts.path)
    in_dialogue = step is None and _dialogue_failed(raw, sent)
    if step is None and (page or in_dialogue):
        step = "authorization"  # the server's own dialogue, which the sign-in passed on to
    if step is None and not ((raw.status or 0) >= 400 and messages.speaks_of_oauth(raw.answer_body)):
        return None
    media_type = answer_headers.get("content-type", "").partition(";")[0].strip().lower()
    facts = set(raw.facts)
    if page:
        facts.add("error page")
        raw.note = f"{raw.note} | {page}" if raw.note else page
    if step is None:
        step = "event"  # an application's own page that tells of a failed exchange
        facts.add("failure event")
    row: dict[str, Any] = {
        "time": naive_utc(raw.time),
        "duration_ms": raw.duration_ms,
        "sees": list(raw.sees),
        "client_address": raw.client_address,
        "user_fp": redactor.fingerprint("user", raw.user),
        "request_id": raw.request_id,
        "step": step,
        "method": raw.method,
        "url": redactor.url(raw.url),
        "scheme": parts.scheme or None,
        "host": host or None,
        "path": redactor.url(parts.path),
        "status": raw.status,
        "transport_error": redactor.text(raw.transport_error) if raw.transport_error else None,
    }
    _request(row, raw, sent, facts, redactor)
    _credentials(row, sent, authorization, facts, redactor, raw)
    _answer(row, raw, body_members, media_type, challenge, facts, redactor)
    header_names = answer_headers.keys()
    row["provider"] = provider_of(host.partition(":")[0] or None, parts.path, header_names)
    row["facts"] = sorted(f for f in facts if not (in_dialogue and f.startswith("no ")))
    return row


def _shows_only_a_path(raw: RawExchange, query: str, fragment: str) -> bool:
    """Whether nothing but the path can tell that an exchange is OAuth's."""
    return not (
        query or fragment or raw.request_body or raw.answer_body or raw.step
        or "authorization" in raw.request_headers or "www-authenticate" in raw.answer_headers
    )  # fmt: skip


_WORDS = re.compile(r"[A-Za-z_ ]{0,200}\Z")
_HARMLESS = dict.fromkeys(("grant_type", "response_type", "scope", "prompt", "code_challenge_method"), _WORDS)
_HARMLESS["client_id"] = re.compile(r"(?!eyJ)[\w.:/@+-]{1,200}\Z")
"""Values that need no look by the redactor: plain words, and client ids, which are no secret (RFC 6749 §2.2) however random."""

_PAGE_CHARACTERS = 30_000


_COMPLAINTS = re.compile(
    r"(?:redirect_uri|client_id|client|scope|response_type|challenge) (?:unknown|mismatch|wrong|missing|not_allowed|malformed|unsupported|insecure|disabled)\Z"
)
_ASKS = re.compile(r"""type\s*=\s*["']?(?:password|email)""", re.IGNORECASE)


def _complaint(page: str) -> str | None:
    """What a page at the authorization endpoint says against the request itself; None of a page that asks for a login."""
    if _ASKS.search(page):
        return None
    text = errors.visible_text(page)
    return text[:600] if any(_COMPLAINTS.match(concept) for concept in messages.read(text)) else None


def _error_page(raw: RawExchange, step: str | None, host: str, path: str) -> str | None:
    """Why an HTML page that came with status 200 refuses: its complaint, or the sentence around the provider's own code."""
    body = raw.answer_body
    if raw.status != 200 or not body or step not in (None, "authorization") or "<html" not in body[:300].lower():
        return None
    shown = body[:_PAGE_CHARACTERS]
    if step == "authorization" and (complaint := _complaint(shown)):
        return complaint
    if provider_of(host.partition(":")[0], path, raw.answer_headers.keys()) is None:
        return None
    codes = find_codes(shown)
    if not codes:
        return None
    start = shown.find(codes[0][1])
    return re.split(r'["<]|\\\\n', shown[max(start, 0) :], maxsplit=1)[0][:600] if start >= 0 else codes[0][1]


def _dialogue_failed(raw: RawExchange, sent: parameters.Parameters) -> bool:
    """Whether a page of a client's sign-in, between authorization request and callback, failed: login, consent, cookies."""
    html = "html" in raw.answer_headers.get("content-type", "") or "<html" in (raw.answer_body or "")[:300].lower()
    return (raw.status or 0) >= 400 and raw.method in ("GET", "POST") and html and "client_id" in sent.query


# --- the request ----------------------------------------------------------------------------------------------------


def _request(
    row: dict[str, Any], raw: RawExchange, sent: parameters.Parameters, facts: set[str], redactor: Redactor
) -> None:
    values, headers, fingerprint = sent.values, raw.request_headers, redactor.fingerprint
    if headers:
        agent = headers.get("user-agent")
        row["user_agent"] = redactor.text(agent) if agent and ("=" in agent or "eyJ" in agent) else agent
        row["origin"] = headers.get("origin")
        referer = headers.get("referer")
        row["referer_host"] = (
            urlsplit(referer).netloc.rpartition("@")[2].lower() or None
            if referer and "://" in referer and "[" not in referer
            else None
        )
        row["content_type"] = headers.get("content-type", "").partition(";")[0].strip().lower() or None
        row["cookie_names"] = _cookie_names(headers.get("cookie"))
        if "; wv)" in headers.get("user-agent", ""):
            facts.add("embedded-webview")
        if headers.get("sec-fetch-mode") == "cors":
            facts.add("browser-fetch")
    if not values:
        if row["step"] == "token" and raw.request_body == "" and "body" in raw.sees:
            facts.add("empty-body")
        return
    for name in (
        "grant_type",
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "prompt",
        "code_challenge_method",
    ):
        if (value := values.get(name)) is not None:
            row[name] = (
                redactor.url(value)
                if name == "redirect_uri"
                else value
                if _HARMLESS[name].match(value)
                else redactor.text(value)[:2000]
            )
    row["audience"] = values.get("resource") or values.get("audience")
    row["state_fp"] = fingerprint("state", values.get("state"))
    row["nonce_fp"] = fingerprint("nonce", values.get("nonce"))
    row["device_code_fp"] = fingerprint("device", values.get("device_code") or values.get("auth_req_id"))
    row["request_uri_fp"] = fingerprint("par", values.get("request_uri"))
    row["refresh_token_fp"] = fingerprint("refresh", values.get("refresh_token"))
    if row["step"] != "device-authorization":
        row["code_fp"] = fingerprint("code", values.get("code"))
    if row["step"] in ("introspection", "revocation") and values.get("token"):
        row["token_fp"] = fingerprint("token", values["token"])
    if challenge := values.get("code_challenge"):
        row["challenge_fp"] = fingerprint("verifier", challenge)
        hashed = values.get("code_challenge_method", "").lower() == "s256" and pkce.looks_hashed(challenge)
        row["code_challenge"] = challenge if hashed else row["challenge_fp"]
    if (verifier := values.get("code_verifier")) is not None:
        row["verifier_length"] = len(verifier)
        if verifier:
            row["verifier_s256"] = pkce.s256(verifier)
            row["s256_fp"] = fingerprint("verifier", row["verifier_s256"])
            row["verifier_fp"] = fingerprint("verifier", verifier)
            if not pkce.well_formed(verifier):
                facts.add("verifier-malformed")
    facts.update(f"repeated {name}" for name in sent.repeated)
    _oddities(row, raw, sent, facts)


def _oddities(row: dict[str, Any], raw: RawExchange, sent: parameters.Parameters, facts: set[str]) -> None:
    values, step = sent.values, row["step"]
    for name, value in values.items():
        if name not in parameters.OAUTH_NAMES:
            continue
        if not value:
            facts.add(f"empty {name}")
        elif value != value.strip():
            facts.add(f"white space around {name}")
        elif value in ("undefined", "null", "None", "[object Object]") or (
            value.startswith(("${", "{{", "%{", "<")) and value.endswith(("}", ">"))
        ):
            facts.add(f"placeholder {name}")
        if (
            "%" in value
            and name in ("code", "redirect_uri", "scope", "state")
            and re.search(r"%(?:2F|3A|20|2B|3D|7C)", value, re.IGNORECASE)
        ):
            facts.add(f"encoded twice {name}")
    redirect = values.get("redirect_uri")
    if redirect and (reason := malformed(redirect)):
        facts.add(f"redirect_uri: {reason}")
    if step in ("token", "par", "introspection", "revocation", "device-authorization"):
        if sent.carrier and sent.carrier.startswith(("json", "multipart")):
            facts.add(f"{sent.carrier} body")
        elif sent.carrier == "form-under-other":
            facts.add("form body under another content type")
        if sent.query.keys() & {"grant_type", "code", "client_secret", "refresh_token"} and not sent.body:
            facts.add("parameters in query")
    if "body" in raw.sees or sent.body:
        _seen_and_absent(step, values, facts)
    scope = values.get("scope")
    if scope and ("," in scope or ";" in scope or "|" in scope) and " " not in scope:
        facts.add("scope delimited by other than a blank")


_REQUIRED = {
    "authorization_code": ("code",),
    "refresh_token": ("refresh_token",),
    "password": ("username", "password"),
    "urn:ietf:params:oauth:grant-type:device_code": ("device_code",),
    "urn:ietf:params:oauth:grant-type:jwt-bearer": ("assertion",),
    "urn:ietf:params:oauth:grant-type:token-exchange": ("subject_token", "subject_token_type"),
}
"""Grant type -> parameters that it demands (RFC 6749 §4.1.3, §4.3.2, §6; RFC 8628 §3.4; RFC 7523 §2.1; RFC 8693 §2.1)."""


def _seen_and_absent(step: str, values: Mapping[str, str], facts: set[str]) -> None:
    if step == "token":
        grant = values.get("grant_type")
        if not grant:
            facts.add("no grant_type")
        facts.update(f"no {name}" for name in _REQUIRED.get(grant or "", ()) if name not in values)
        for name in ("redirect_uri", "code_verifier", "client_id", "client_secret", "scope", "audience", "resource"):
            if name not in values:
                facts.add(f"no {name}")
    elif step in ("authorization", "par") and "request_uri" not in values and "request" not in values:
        for name in (
            "client_id",
            "redirect_uri",
            "response_type",
            "scope",
            "state",
            "nonce",
            "code_challenge",
            "code_challenge_method",
        ):
            if name not in values:
                facts.add(f"no {name}")


def _cookie_names(header: str | None) -> list[str] | None:
    if header is None:
        return None
    return sorted({part.partition("=")[0].strip()[:60] for part in re.split(r"[;\n]", header) if "=" in part})[:40]


# --- client authentication and tokens presented -----------------------------------------------------------------------


def _credentials(
    row: dict[str, Any],
    sent: parameters.Parameters,
    authorization: str | None,
    facts: set[str],
    redactor: Redactor,
    raw: RawExchange,
) -> None:
    values, step = sent.values, row["step"]
    scheme, _, credentials = (authorization or "").partition(" ")
    scheme, credentials = scheme.lower(), credentials.strip()
    methods = []
    secret: str | None = None
    if scheme == "basic":
        methods.append("client_secret_basic")
        secret = _basic_client(row, credentials, values.get("client_id"), facts)
    elif scheme in ("bearer", "dpop", "token"):
        _bearer(row, credentials, facts, redactor)
    elif authorization:
        facts.add("authorization of another scheme")
        if authorization.startswith("eyJ"):
            _bearer(row, authorization, facts, redactor)
            facts.add("bearer scheme missing")
        elif credentials.startswith("eyJ"):
            _bearer(row, credentials, facts, redactor)
    if "client_secret" in values:
        methods.append("client_secret_post")
        secret = values["client_secret"]
    if "client_assertion" in values:
        methods.append("jwt")
        _jwt(row, values["client_assertion"], "client_assertion", facts)
    elif "assertion" in values or "jwt_token" in values:
        _jwt(row, values.get("assertion") or values.get("jwt_token"), "assertion", facts)
    if step == "resource" and "access_token" in values and not authorization:
        _bearer(row, values["access_token"], facts, redactor)
        facts.add("token in query")
    if step in ("introspection", "revocation", "userinfo") and "token" in values:
        _jwt(row, values["token"], "bearer", facts)
    if step in ("token", "par", "introspection", "revocation", "device-authorization"):
        if len(methods) > 1:
            row["auth_method"] = "both"
        elif methods:
            row["auth_method"] = methods[0]
        elif "authorization" in raw.sees and ("body" in raw.sees or sent.body):
            row["auth_method"] = "none"
    if secret is not None:
        _secret(row, secret, facts, redactor)
    if "dpop" in raw.request_headers:
        facts.add("dpop proof")
        _dpop(raw, facts)


_NOT_FORM_ENCODED = re.compile(r"[^A-Za-z0-9*._~-]")
"""Characters that application/x-www-form-urlencoded would have encoded."""


def _basic_client(row: dict[str, Any], credentials: str, named: str | None, facts: set[str]) -> str | None:
    """The secret of an Authorization header of scheme Basic; notes the client and how it is encoded (RFC 6749 §2.3.1)."""
    user, secret, ok = _basic(credentials)
    if not ok:
        facts.add("basic malformed")
    if user is None:
        return secret
    if named not in (None, user, unquote(user)):
        facts.add("basic client_id differs from body")
    row["client_id"] = row.get("client_id") or unquote(user)
    if secret and re.search(r"%[0-9A-Fa-f]{2}", secret):
        secret = unquote_plus(secret)
    elif "%" not in user and _NOT_FORM_ENCODED.search(user + (secret or "")):
        facts.add("basic not form-encoded")
    return secret


def _basic(credentials: str) -> tuple[str | None, str | None, bool]:
    try:
        decoded = base64.b64decode(credentials + "=" * (-len(credentials) % 4), validate=True).decode("utf-8")
    except (ValueError, binascii.Error):
        return None, None, False
    user, colon, secret = decoded.partition(":")
    return user, secret, bool(colon)


def _secret(row: dict[str, Any], secret: str, facts: set[str], redactor: Redactor) -> None:
    row["secret_length"] = len(secret)
    row["secret_fp"] = redactor.fingerprint("secret", secret)
    if not secret:
        facts.add("empty client_secret")
        return
    if secret != secret.strip():
        facts.add("white space around client_secret")
    if re.search(r"%[0-9A-Fa-f]{2}", secret):
        facts.add("percent signs in client_secret")
    if re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", secret, re.IGNORECASE):
        facts.add("client_secret looks like a UUID")
    if re.fullmatch(
        r"(?i)(?:your|my|the|change)[-_ ]?\w*|secret|x+|\*+|<.*>|\$\{?.*\}?|todo|none|null|undefined|dummy|test|placeholder",
        secret,
    ):
        facts.add("placeholder client_secret")
    if secret.startswith("eyJ"):
        _jwt(row, secret, "client_secret", facts)


def _bearer(row: dict[str, Any], token: str, facts: set[str], redactor: Redactor) -> None:
    row["token_fp"] = redactor.fingerprint("token", token)
    if not token:
        facts.add("empty bearer token")
    elif token in ("undefined", "null", "None", "[object Object]", "false", "true"):
        facts.add("placeholder bearer token")
    elif re.search(r"[\s\"'(),{}<>\\\[\]]", token):
        facts.add("bearer token with characters no token has")
        inner = re.search(r"[A-Za-z0-9._~+/-]{16,}=*", token)
        if inner:
            row["token_fp"] = redactor.fingerprint("token", inner[0])
    elif token.lower().startswith(("bearer", "token ")):
        facts.add("bearer scheme twice")
    if token.startswith("eyJ"):
        if token.count(".") not in (2, 4):
            facts.add("bearer token cut off")
        _jwt(row, token, "bearer", facts)
    elif token:
        facts.add("opaque bearer token")


def _jwt(row: dict[str, Any], token: str | None, use: str, facts: set[str]) -> None:
    parsed = jwt.read(token)
    row["jwt_use"] = use
    if parsed is None:
        if token and use != "bearer":
            facts.add(f"{use} is no JWT")
        elif token and token.startswith("eyJ") and token.count(".") == 4:
            facts.add("encrypted bearer token")
        return
    header, claims = parsed
    row["jwt_alg"] = jwt.words(header.get("alg"))
    row["jwt_kid"] = jwt.words(header.get("kid"))
    row["jwt_iss"] = jwt.words(claims.get("iss"))
    row["jwt_aud"] = jwt.words(claims.get("aud"))
    row["jwt_azp"] = jwt.words(claims.get("azp") or claims.get("appid") or claims.get("client_id"))
    permissions = claims.get("permissions")
    row["jwt_scope"] = jwt.words(claims.get("scope") or claims.get("scp") or permissions)
    row["jwt_exp"], row["jwt_iat"], row["jwt_nbf"] = (jwt.number(claims.get(c)) for c in ("exp", "iat", "nbf"))
    row["jwt_sub_is_iss"] = claims.get("sub") == claims.get("iss")
    if use == "bearer":
        row["client_id"] = row.get("client_id") or row["jwt_azp"]
    elif use != "assertion":
        row["client_id"] = row.get("client_id") or jwt.words(claims.get("sub"))
    for claim in ("exp", "iat", "nbf"):
        value = claims.get(claim)
        if isinstance(value, str):
            facts.add(f"jwt {claim} is a string")
        elif isinstance(value, int | float) and value > 1e11:
            facts.add(f"jwt {claim} is in milliseconds")
    facts.update(f"jwt without {c}" for c in ("iss", "aud", "exp", "iat", "sub", "jti") if c not in claims)
    if claims.get("email_verified") in (False, "false"):
        facts.add("email_verified is false")
    if claims.get("typ") in ("Refresh", "Offline", "ID") or "nonce" in claims or "at_hash" in claims:
        facts.add(
            "bearer token is an ID token"
            if claims.get("typ") not in ("Refresh", "Offline")
            else "bearer token is a refresh token"
        )
    if header.get("nonce"):
        facts.add("jwt header with nonce")
    if isinstance(bound := claims.get("cnf"), dict):
        facts.add("token bound to a certificate" if "x5t#S256" in bound else "token bound to a key")
    if str(header.get("alg", "")).lower() == "none":
        facts.add("jwt unsigned")
    if not header.get("kid"):
        facts.add("jwt without kid")


def _dpop(raw: RawExchange, facts: set[str]) -> None:
    """Compare a DPoP proof with the request it came with (RFC 9449 §4.3)."""
    parsed = jwt.read(raw.request_headers["dpop"].strip())
    if parsed is None:
        facts.add("dpop proof is no JWT")
        return
    header, claims = parsed
    if header.get("typ") != "dpop+jwt":
        facts.add("dpop typ wrong")
    if claims.get("htm") != raw.method:
        facts.add("dpop htm differs")
    htu = str(claims.get("htu", ""))
    if htu.partition("?")[0].rstrip("/") != raw.url.partition("?")[0].rstrip("/"):
        facts.add("dpop htu differs")
    if "nonce" not in claims:
        facts.add("dpop without nonce")


# --- the answer -------------------------------------------------------------------------------------------------------


def _answer(
    row: dict[str, Any],
    raw: RawExchange,
    data: Mapping[str, Any] | None,
    media_type: str,
    challenge: str | None,
    facts: set[str],
    redactor: Redactor,
) -> None:
    headers, body = raw.answer_headers, raw.answer_body
    row["answer_type"] = media_type or None
    if headers:
        row["server_header"] = headers.get("server")
        row["server_time"] = _http_date(headers.get("date"))
        row["set_cookie_names"] = _set_cookie(headers.get("set-cookie"), facts)
        if not row.get("request_id"):
            row["request_id"] = next(
                (
                    headers[h]
                    for h in ("x-request-id", "x-ms-request-id", "x-correlation-id", "cf-ray", "x-amzn-requestid")
                    if h in headers
                ),
                None,
            )
        if "retry-after" in headers:
            facts.add("retry-after")
        if headers.get("dpop-nonce"):
            facts.add("dpop nonce offered")
        if (
            row.get("origin")
            and "access-control-allow-origin" not in headers
            and row["origin"].partition("://")[2] != row["host"]
        ):
            facts.add("no access-control-allow-origin")
    location = headers.get("location")
    if location:
        row["location"] = redactor.url(location)
        _redirect(row, location, facts, redactor)
    said = errors.of_answer(body if not _is_success_document(raw, data) else None, media_type, challenge, location)
    if row["step"] == "redirection" and "error" in (values := _own_parameters(raw)):
        own = errors.of_pairs(values)
        said.error, said.description = own.error, own.description or said.description
        said.code = own.code or said.code
        said.text = f"{own.text} | {said.text}" if said.text else own.text
        facts.add("error in redirection")
    text = " | ".join(part for part in (said.text, raw.note) if part)
    if challenge:
        row["challenge"] = redactor.text(challenge)[:1000]
        row["demanded_scope"] = errors.parse_challenge(challenge).get("scope")
        if "resource_metadata" in challenge:
            facts.add("resource_metadata in challenge")
    row["error"] = redactor.text(said.error)[:200] if said.error else None
    row["error_description"] = redactor.text(said.description)[:1000] if said.description else None
    row["message"] = redactor.text(text)[:4000] if text else None
    codes = find_codes(text) if text else []
    row["error_code"] = (
        codes[0][1]
        if codes
        else (redactor.text(said.code)[:100] if said.code and said.code != said.error else raw.code)
    )
    _answer_shape(row, raw, data, media_type, facts)
    if data:
        _document(row, data, facts, redactor)
    elif body and row["step"] == "token" and "access_token=" in body and len(body) < 20_000:
        values, _ = parameters.pairs(body.strip())
        row["issued_token_fp"] = redactor.fingerprint("token", values.get("access_token"))
        row["granted_scope"] = values.get("scope")


def _own_parameters(raw: RawExchange) -> Mapping[str, str]:
    query = urlsplit(raw.url).query
    values, _ = parameters.pairs(query)
    fragment, _ = parameters.pairs(urlsplit(raw.url).fragment)
    body = parameters.pairs(raw.request_body)[0] if raw.request_body and "=" in raw.request_body else {}
    return {**values, **fragment, **body}


def _is_success_document(raw: RawExchange, data: Mapping[str, Any] | None) -> bool:
    if raw.status is None or raw.status >= 400:
        return False
    if data is None:
        body = (raw.answer_body or "").lstrip()[:4000]
        if "error" in body.lower() and not body.startswith("<"):
            return False
        return raw.status < 300 and not re.search(
            r"<title>[^<]*(?:error|denied|invalid|blocked|problem|went wrong)|\berror\s*:?\s*\d{3}|>\s*error\s*<",
            body,
            re.IGNORECASE,
        )
    return not (
        "error" in data
        or "errors" in data
        or data.get("ok") is False
        or data.get("success") in (0, False)
        or "errorCode" in data
        or "error_description" in data
    )


_ERROR_NAME = re.compile(r"(?:o?auth)?_?err(?:or)?(?:_?(?:code|msg|message|description))?\Z", re.IGNORECASE)
"""Names under which servers hand an error to their own error page: ``error``, ``oauthErrorCode``, ``errMsg``."""


def _redirect(row: dict[str, Any], location: str, facts: set[str], redactor: Redactor) -> None:
    head, _, fragment = location.partition("#")
    head, _, query = head.partition("?")
    values = {**parameters.pairs(query)[0], **parameters.pairs(fragment)[0]}
    row["issued_code_fp"] = redactor.fingerprint("code", values.get("code"))
    if row["step"] == "authorization":
        row["state_fp"] = row.get("state_fp") or redactor.fingerprint("state", values.get("state"))
        row["issued_iss"] = values.get("iss")
        if values.get("access_token"):
            row["issued_token_fp"] = redactor.fingerprint("token", values["access_token"])
        sent = row.get("redirect_uri")
        own_error = next((name for name in values if _ERROR_NAME.match(name)), None)
        if own_error or "code" in values:
            facts.add("redirected with error" if own_error else "redirected with code")
            elsewhere = "://" in head and head.split("/", 3)[2] != row["host"]  # not the server's own error page
            if sent and elsewhere and head.rstrip("/") != sent.partition("?")[0].rstrip("/"):
                facts.add("answer went to another redirect_uri")
                row["document"] = json.dumps({"redirected_to": redactor.url(head)})
        if (
            values.get("state")
            and row.get("state_fp")
            and redactor.fingerprint("state", values["state"]) != row["state_fp"]
        ):
            facts.add("state changed in redirect")
    if raw_scheme_change(row, location):
        facts.add("redirected from http to https")
    if re.search(r"/(?:login|signin|sign-in|auth)\b", head) and row["step"] in (
        "token",
        "userinfo",
        "jwks",
        "metadata",
    ):
        facts.add("redirected to a login page")


def raw_scheme_change(row: Mapping[str, Any], location: str) -> bool:
    """Whether a redirect only changes http to https on the same host."""
    if row["scheme"] != "http" or not location.startswith("https://"):
        return False
    target = urlsplit(location) if "[" not in location else None
    return target is not None and target.netloc.partition(":")[0].lower() == (row["host"] or "").partition(":")[0]


def _set_cookie(header: str | None, facts: set[str]) -> list[str] | None:
    if header is None:
        return None
    lines = [line for line in header.split("\n") if "=" in line]
    for line in lines:
        lower = line.lower()
        if "samesite=strict" in lower:
            facts.add("cookie SameSite=Strict set")
        if "samesite=none" in lower and "secure" not in lower:
            facts.add("cookie SameSite=None without Secure")
    return sorted({line.partition("=")[0].strip()[:60] for line in lines})[:40]


def _answer_shape(
    row: dict[str, Any], raw: RawExchange, data: Mapping[str, Any] | None, media_type: str, facts: set[str]
) -> None:
    """How a 2xx answer breaks the protocol (RFC 6749 §5.1), and whether a failing one is a page of somebody else."""
    status, body, step = raw.status, raw.answer_body, row["step"]
    if status is None or "answer" not in raw.sees:
        return
    is_page = "html" in media_type or (body or "").lstrip()[:15].lower().startswith(("<!doctype", "<html"))
    if is_page:
        facts.add("html answer")
    if step not in endpoints.MACHINE_STEPS or step == "revocation":  # whose answer has no body (RFC 7009 §2.2)
        return
    if status >= 300 or raw.method in ("OPTIONS", "HEAD"):
        return
    if not body:
        if step != "introspection" and raw.answer_headers.get("content-length", "0") != "0":
            return  # a body there was, not captured
        facts.add("empty answer")
    elif data is None:
        if step == "userinfo" and ("jwt" in media_type or body.startswith("eyJ")):
            return
        if re.match(r"\s*(?:error|error_code)=", body):
            facts.add("error inside 200")
        elif "access_token=" in body:
            facts.add("form-encoded answer")
        elif not is_page:
            facts.add("answer is not JSON")
    elif step == "token":
        if "error" in data or data.get("ok") is False or "errors" in data:
            facts.add("error inside 200")
            return
        if (
            not data.get("access_token")
            and not data.get("id_token")
            and "authed_user" not in data
            and "response" not in data
        ):
            facts.add("access_token missing")
            if "token" in data or "accessToken" in data or "data" in data:
                facts.add("access_token under another name")
        elif "token_type" not in data and "access_token" in data:
            facts.add("token_type missing")
        lifetime = data.get("expires_in")
        if lifetime is not None and not isinstance(lifetime, int | float):
            facts.add("expires_in is a string" if str(lifetime).isdigit() else "expires_in unusable")
        elif isinstance(lifetime, int | float) and (isinstance(lifetime, bool) or lifetime <= 0):
            facts.add("expires_in unusable")
    elif step == "metadata" and "authorization_servers" not in data and "resource" not in data:
        if "issuer" not in data:
            facts.add("issuer missing")
    elif step == "jwks" and not data.get("keys"):
        facts.add("no keys")


_DOCUMENT_MEMBERS = (
    "issuer", "resource", "authorization_servers", "grant_types_supported", "response_types_supported", "scopes_supported",
    "token_endpoint_auth_methods_supported", "code_challenge_methods_supported", "id_token_signing_alg_values_supported",
    "bearer_methods_supported", "resource_name", *endpoints.METADATA_MEMBERS,
)  # fmt: skip


def _document(row: dict[str, Any], data: Mapping[str, Any], facts: set[str], redactor: Redactor) -> None:
    step, fingerprint = row["step"], redactor.fingerprint
    access, refresh, identity = (
        v if isinstance(v := data.get(n), str) else None for n in ("access_token", "refresh_token", "id_token")
    )
    row["issued_token_fp"] = fingerprint("token", access)
    row["issued_refresh_fp"] = fingerprint("refresh", refresh)
    row["issued_device_fp"] = fingerprint("device", jwt.words(data.get("device_code") or data.get("auth_req_id")))
    if step == "par":
        row["issued_request_uri_fp"] = fingerprint("par", jwt.words(data.get("request_uri")))
    lifetime = data.get("expires_in")
    row["expires_in"] = (
        jwt.number(lifetime)
        if not isinstance(lifetime, str)
        else (float(lifetime) if re.fullmatch(r"\d{1,12}", lifetime) else None)
    )
    row["refresh_expires_in"] = jwt.number(data.get("refresh_expires_in") or data.get("refresh_token_expires_in"))
    if access or step == "introspection":
        row["granted_scope"] = jwt.words(data.get("scope"))
    if access and refresh is None:
        facts.add("no refresh token issued")
    if step == "introspection" and data.get("active") is False:
        facts.add("inactive token")
    if step == "registration" and isinstance(data.get("client_id"), str):
        row["client_id"] = data["client_id"]
    for token, kind in ((access, "access token"), (identity, "ID token")):
        if (parsed := jwt.read(token)) is None:
            if token and token.count(".") == 4 and token.startswith("eyJ"):
                facts.add(f"encrypted {kind} issued")
            continue
        header, claims = parsed
        row["issued_alg"], row["issued_kid"] = jwt.words(header.get("alg")), jwt.words(header.get("kid"))
        row["issued_iat"] = jwt.number(claims.get("iat"))
        row["issued_iss"] = jwt.words(claims.get("iss"))
        if kind == "access token":
            row["issued_aud"] = jwt.words(claims.get("aud"))
        else:
            row["issued_nonce_fp"] = fingerprint("nonce", jwt.words(claims.get("nonce")))
            if claims.get("email_verified") in (False, "false"):
                facts.add("email_verified is false")
            if "email" not in claims:
                facts.add("ID token without email")
    if step == "metadata":
        announced = jwt.words(data.get("issuer")) or jwt.words(data.get("resource"))
        row["issued_iss"] = announced
        if (
            announced
            and "://" in announced
            and "://" in row["url"]
            and "{" not in announced
            and not endpoints.belongs(announced, row["url"].partition("?")[0])
        ):
            facts.add("issuer does not fit the URL")
        kept = {m: data[m] for m in _DOCUMENT_MEMBERS if m in data}
        row["document"] = redactor.text(json.dumps(kept, sort_keys=True))[:8000]
    elif step == "jwks" and isinstance(data.get("keys"), list):
        keys = [
            {k: str(key[k])[:100] for k in ("kid", "kty", "alg", "use") if k in key}
            for key in data["keys"][:50]
            if isinstance(key, dict)
        ]
        row["document"] = json.dumps({"keys": keys})
        if any("alg" not in k for k in keys):
            facts.add("key without alg")


def lower_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header pairs as a mapping with lower-case names; repeated headers are joined by a newline."""
    out: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        out[key] = f"{out[key]}\n{value}" if key in out else value
    return out
