"""What an answer shows: its error, where it redirects to, the tokens that it issues, and how it breaks the protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from oauthtrace.oauth import endpoints, errors, jwt, parameters
from oauthtrace.providers import find_codes

if TYPE_CHECKING:
    from oauthtrace.oauth.observe import RawExchange
    from oauthtrace.privacy import Redactor


def take(
    row: dict[str, Any], facts: set[str], raw: RawExchange, data: Mapping[str, Any] | None, redactor: Redactor
) -> None:
    """Put what an answer shows into a row and its facts.

    Args:
        row: takes the columns; it holds what the request showed.
        facts: take what is odd.
        raw: the exchange, secrets and all.
        data: JSON members of the answer, if it is an object.
        redactor: makes the fingerprints.
    """
    headers, body = raw.answer_headers, raw.answer_body
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    row["answer_type"] = media_type or None
    if headers:
        _headers(row, facts, headers)
    challenge, location = headers.get("www-authenticate"), headers.get("location")
    if location:
        row["location"] = redactor.url(location)
        _redirect(row, location, facts, redactor)
    if challenge:
        row["challenge"] = redactor.text(challenge)[:1000]
        row["demanded_scope"] = errors.parse_challenge(challenge).get("scope")
        if "resource_metadata" in challenge:
            facts.add("resource_metadata in challenge")
    _said(row, facts, raw, data, media_type, redactor)
    _answer_shape(row, raw, data, media_type, facts)
    if data:
        _document(row, data, facts, redactor)
    elif body and row["step"] == "token" and "access_token=" in body and len(body) < 20_000:
        values, _ = parameters.pairs(body.strip())
        row["issued_token_fp"] = redactor.fingerprint("token", values.get("access_token"))
        row["granted_scope"] = values.get("scope")


_REQUEST_IDS = ("x-request-id", "x-ms-request-id", "x-correlation-id", "cf-ray", "x-amzn-requestid")


def _headers(row: dict[str, Any], facts: set[str], headers: Mapping[str, str]) -> None:
    row["server_header"] = headers.get("server")
    row["server_time"] = _http_date(headers.get("date"))
    row["set_cookie_names"] = _set_cookie(headers.get("set-cookie"), facts)
    if not row["request_id"]:
        for name in _REQUEST_IDS:
            if name in headers:
                row["request_id"] = headers[name]
                break
    if "retry-after" in headers:
        facts.add("retry-after")
    if headers.get("dpop-nonce"):
        facts.add("dpop nonce offered")
    origin = row.get("origin")
    if origin and "access-control-allow-origin" not in headers and origin.partition("://")[2] != row["host"]:
        facts.add("no access-control-allow-origin")


@lru_cache(maxsize=1024)
def _http_date(text: str | None) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, IndexError):
        return None
    if parsed is None:
        return None
    return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed


_TELLING = ("www-authenticate", "location")
"""Headers that may say why."""


def _said(
    row: dict[str, Any],
    facts: set[str],
    raw: RawExchange,
    data: Mapping[str, Any] | None,
    media_type: str,
    redactor: Redactor,
) -> None:
    """The answer's own words: error, finer code, sentence, and all text that may tell why."""
    headers = raw.answer_headers
    body = None if _is_success_document(raw, data) else raw.answer_body
    if body is None and raw.note is None and row["step"] != "redirection" and headers.keys().isdisjoint(_TELLING):
        row["error"], row["error_description"], row["error_code"] = None, None, raw.code
        return
    said = errors.of_answer(body, media_type, headers.get("www-authenticate"), headers.get("location"))
    if row["step"] == "redirection" and "error" in (values := _own_parameters(raw)):
        own = errors.of_pairs(values)
        said.error, said.description = own.error, own.description or said.description
        said.code = own.code or said.code
        said.text = f"{own.text} | {said.text}" if said.text else own.text
        facts.add("error in redirection")
    row["error"] = redactor.text(said.error)[:200] if said.error else None
    row["error_description"] = redactor.text(said.description)[:1000] if said.description else None
    text = " | ".join(part for part in (said.text, raw.note) if part)
    if text:
        row["message"] = redactor.text(text)[:4000]
    if text and (codes := find_codes(text)):
        row["error_code"] = codes[0][1]
    elif said.code and said.code != said.error:
        row["error_code"] = redactor.text(said.code)[:100]
    else:
        row["error_code"] = raw.code


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
    access, refresh, identity = [
        v if isinstance(v := data.get(n), str) else None for n in ("access_token", "refresh_token", "id_token")
    ]
    if access:
        row["issued_token_fp"] = fingerprint("token", access)
        if refresh is None:
            facts.add("no refresh token issued")
    if refresh:
        row["issued_refresh_fp"] = fingerprint("refresh", refresh)
    if device := jwt.words(data.get("device_code") or data.get("auth_req_id")):
        row["issued_device_fp"] = fingerprint("device", device)
    if step == "par":
        row["issued_request_uri_fp"] = fingerprint("par", jwt.words(data.get("request_uri")))
    row["expires_in"] = _seconds(data.get("expires_in"))
    row["refresh_expires_in"] = jwt.number(data.get("refresh_expires_in") or data.get("refresh_token_expires_in"))
    if access or step == "introspection":
        row["granted_scope"] = jwt.words(data.get("scope"))
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


def _seconds(lifetime: Any) -> float | None:
    """A lifetime as written: a number, or digits in a text."""
    if isinstance(lifetime, str):
        return float(lifetime) if re.fullmatch(r"\d{1,12}", lifetime) else None
    return jwt.number(lifetime)
