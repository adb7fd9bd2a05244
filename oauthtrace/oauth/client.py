"""How a request authenticates: the client by its secret or assertion, a caller by an access token, and what is odd in it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus

from oauthtrace.oauth import jwt
from oauthtrace.oauth.endpoints import CLIENT_STEPS

if TYPE_CHECKING:
    from oauthtrace.oauth.observe import RawExchange
    from oauthtrace.oauth.parameters import Parameters
    from oauthtrace.privacy import Redactor


def take(row: dict[str, Any], facts: set[str], raw: RawExchange, sent: Parameters, redactor: Redactor) -> None:
    """Put into a row and its facts who is calling, and how that is shown; arguments as of :func:`request.take`."""
    values, step = sent.values, row["step"]
    authorization = raw.request_headers.get("authorization")
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
    if step in CLIENT_STEPS:
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
    if secret and _ENCODED.search(secret):
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


_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"(?:(?:your|my|the|change)[-_ ]?\w*|secret|x+|\*+|<.*>|\$\{?.*\}?|todo|none|null|undefined|dummy|test|placeholder)\Z",
    re.IGNORECASE,
)


def _secret(row: dict[str, Any], secret: str, facts: set[str], redactor: Redactor) -> None:
    row["secret_length"] = len(secret)
    row["secret_fp"] = redactor.fingerprint("secret", secret)
    if not secret:
        facts.add("empty client_secret")
        return
    if secret != secret.strip():
        facts.add("white space around client_secret")
    if _ENCODED.search(secret):
        facts.add("percent signs in client_secret")
    if _UUID.match(secret):
        facts.add("client_secret looks like a UUID")
    if _PLACEHOLDER.match(secret):
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
