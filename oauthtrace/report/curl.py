"""A curl command that repeats a failing request, with placeholders in capitals where secrets stood."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from oauthtrace.report.visible import Show

Row = dict[str, Any]
_MARK = re.compile(r"^[a-z_-]+:[0-9a-f]{8}$")
_MOST = 400
_FIELDS = (
    ("grant_type", "grant_type"), ("redirect_uri", "redirect_uri"), ("scope", "scope"), ("resource", "audience"),
    ("code", "code_fp"), ("code_verifier", "verifier_s256"), ("refresh_token", "refresh_token_fp"), ("device_code", "device_code_fp"),
    ("request_uri", "request_uri_fp"),
)  # fmt: skip
_SECRET = (
    "code",
    "code_verifier",
    "refresh_token",
    "device_code",
    "request_uri",
    "state",
    "nonce",
    "client_secret",
    "token",
)


def reproduce(row: Row, show: Show) -> str | None:
    """The command, over several lines; None when it is not known what was sent where."""
    if not row["method"] or not row["host"] or row["step"] == "event":
        return None
    parts = [f"curl -si -X {_quote(show(row['method'], 20))} {_quote(_address(row, show))}"]
    if row["step"] in ("resource", "userinfo"):
        parts.append('-H "Authorization: Bearer $ACCESS_TOKEN"')
    elif row["method"] == "POST":
        parts += _body(row, show)
    elif row["method"] == "OPTIONS" and row["origin"]:
        parts += [f"-H {_quote('Origin: ' + show(row['origin']))}", "-H 'Access-Control-Request-Method: POST'"]
    parts += [f"--data-urlencode {field}" for field in _query(row, show)]
    if row["method"] == "GET" and urlsplit(row["url"] or "").query:
        parts.insert(1, "-G")
    return " \\\n  ".join(parts)


def _address(row: Row, show: Show) -> str:
    return show(f"{row['scheme'] or 'https'}://{row['host']}{row['path'] or '/'}", _MOST)


def _query(row: Row, show: Show) -> Iterator[str]:
    try:
        pairs = parse_qsl(urlsplit(row["url"] or "").query, keep_blank_values=True)
    except ValueError:
        return
    for name, value in pairs[:30]:
        yield _field(show(name, 60), value, show)


def _body(row: Row, show: Show) -> Iterator[str]:
    client = show(row["client_id"], 120) if row["client_id"] else "$CLIENT_ID"
    basic = row["auth_method"] in ("client_secret_basic", "both")
    if basic:
        yield f'-u {_quote(client + ":")}"$CLIENT_SECRET"'
    elif row["client_id"]:
        yield f"--data-urlencode {_field('client_id', row['client_id'], show)}"
    if row["auth_method"] in ("client_secret_post", "both"):
        yield '--data-urlencode "client_secret=$CLIENT_SECRET"'
    if row["auth_method"] == "jwt":
        yield "--data-urlencode client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        yield '--data-urlencode "client_assertion=$CLIENT_ASSERTION"'
    for name, column in _FIELDS:
        if row[column] is not None:
            yield f"--data-urlencode {_field(name, row[column], show)}"


def _field(name: str, value: str, show: Show) -> str:
    if name in _SECRET or _MARK.match(value):
        return f'"{re.sub(r"[^A-Za-z0-9_.-]", "_", name)}=${re.sub(r"[^A-Z0-9]", "_", name.upper())}"'
    return _quote(f"{name}={show(value, _MOST)}")


def _quote(text: str) -> str:
    return shlex.quote(text)
