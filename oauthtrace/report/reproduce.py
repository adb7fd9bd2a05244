"""A failing request as it can be sent again: what is known of it, with secrets named and left out.

:mod:`~oauthtrace.report.curl` writes it as a command, :mod:`~oauthtrace.report.postman` as an item of a collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from oauthtrace.report.visible import Show

Row = dict[str, Any]
_MARK = re.compile(r"^[a-z_-]+:[0-9a-f]{8}$")
_MOST, _FIELDS_MOST = 400, 30
_FORM = (
    ("grant_type", "grant_type"), ("redirect_uri", "redirect_uri"), ("scope", "scope"), ("resource", "audience"),
    ("code", "code_fp"), ("code_verifier", "verifier_s256"), ("refresh_token", "refresh_token_fp"), ("device_code", "device_code_fp"),
    ("request_uri", "request_uri_fp"),
)  # fmt: skip
"""(parameter of the form, column it was kept in)."""
_SECRET = frozenset({"code", "code_verifier", "refresh_token", "device_code", "request_uri", "state", "nonce", "client_secret", "client_assertion", "token"})  # fmt: skip
_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Field(NamedTuple):
    """A parameter. ``secret`` is the name of the placeholder that stands for its value, else empty."""

    name: str
    value: str = ""
    secret: str = ""


class Request(NamedTuple):
    """A request to send again.

    Attributes:
        method: HTTP method.
        address: URL without query.
        query: parameters of the query.
        form: parameters of the form, in a request with a body.
        headers: the headers that matter; one may end in a placeholder.
        basic: client id for HTTP Basic; None without it. The placeholder of its secret is CLIENT_SECRET.

    """

    method: str
    address: str
    query: list[Field]
    form: list[Field]
    headers: list[Field]
    basic: Field | None


def request(row: Row, show: Show) -> Request | None:
    """The request of an exchange; None when it is not known what was sent where."""
    if not row["method"] or not row["host"] or row["step"] == "event":
        return None
    posts = row["method"] == "POST" and row["step"] not in ("resource", "userinfo")
    address = show(f"{row['scheme'] or 'https'}://{row['host']}{row['path'] or '/'}", _MOST)
    basic = posts and row["auth_method"] in ("client_secret_basic", "both")
    return Request(
        show(row["method"], 20),
        address,
        list(_query(row, show)),
        list(_form(row, show, basic=basic)) if posts else [],
        list(_headers(row, show)),
        _client(row, show) if basic else None,
    )


def _headers(row: Row, show: Show) -> Iterator[Field]:
    if row["step"] in ("resource", "userinfo"):
        yield Field("Authorization", "Bearer ", "ACCESS_TOKEN")
    elif row["method"] == "OPTIONS" and row["origin"]:
        yield Field("Origin", show(row["origin"]))
        yield Field("Access-Control-Request-Method", "POST")


def _query(row: Row, show: Show) -> Iterator[Field]:
    try:
        pairs = parse_qsl(urlsplit(row["url"] or "").query, keep_blank_values=True)
    except ValueError:
        return
    for name, value in pairs[:_FIELDS_MOST]:
        yield _field(show(name, 60), value, show)


def _form(row: Row, show: Show, *, basic: bool) -> Iterator[Field]:
    if row["client_id"] and not basic:
        yield _client(row, show)
    if row["auth_method"] in ("client_secret_post", "both"):
        yield _field("client_secret", "", show)
    if row["auth_method"] == "jwt":
        yield Field("client_assertion_type", _JWT_BEARER)
        yield _field("client_assertion", "", show)
    for name, column in _FORM:
        if row[column] is not None:
            yield _field(name, row[column], show)


def _client(row: Row, show: Show) -> Field:
    return Field("client_id", show(row["client_id"], 120)) if row["client_id"] else Field("client_id", "", "CLIENT_ID")


def _field(name: str, value: str, show: Show) -> Field:
    if name in _SECRET or _MARK.match(value):
        return Field(re.sub(r"[^A-Za-z0-9_.-]", "_", name), "", re.sub(r"[^A-Z0-9]", "_", name.upper()))
    return Field(name, show(value, _MOST))
