"""Failing requests as a Postman collection: a request each, variables where secrets stood, and a test of the answer.

Format: https://schema.postman.com/collection/json/v2.1.0/docs/index.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from oauthtrace.report.reproduce import Field, Request
from oauthtrace.report.texts import text

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://([^/:]*)(?::(\d+))?(/.*)?", re.IGNORECASE | re.DOTALL)


def collection(title: str, items: Iterable[tuple[str, str, Request]]) -> str:
    """The collection as JSON.

    Args:
        title: its name.
        items: name, description and request of each.

    """
    listed = list(items)
    secrets = dict.fromkeys(secret for _, _, request in listed for secret in _secrets(request))
    document = {
        "info": {"name": _plain(title), "description": text("postman.about"), "schema": _SCHEMA},
        "item": [_item(_plain(name), _plain(about), request) for name, about, request in listed],
        "variable": [{"key": secret, "value": "", "type": "string"} for secret in secrets],
    }
    return json.dumps(document, ensure_ascii=True, indent=1)


def _secrets(request: Request) -> Iterator[str]:
    for field in (*request.query, *request.form, *request.headers, *([request.basic] if request.basic else ())):
        if field.secret:
            yield field.secret
    if request.basic:
        yield "CLIENT_SECRET"


def _item(name: str, about: str, request: Request) -> dict[str, Any]:
    sent: dict[str, Any] = {
        "method": _plain(request.method),
        "header": [{"key": header.name, "value": _value(header)} for header in request.headers],
        "url": _url(request),
        "description": about,
    }
    if request.form:
        sent["body"] = {"mode": "urlencoded", "urlencoded": [_pair(field) for field in request.form]}
    if request.basic:
        known = [("username", _value(request.basic)), ("password", "{{CLIENT_SECRET}}")]
        sent["auth"] = {"type": "basic", "basic": [{"key": k, "value": v, "type": "string"} for k, v in known]}
    test = [f"pm.test({json.dumps(text('postman.test'))}, () => pm.expect(pm.response.code).to.be.below(400));"]
    return {
        "name": name,
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": test}}],
        "protocolProfileBehavior": {"followRedirects": False},
        "request": sent,
    }


def _url(request: Request) -> dict[str, Any]:
    address = _plain(request.address)
    query = [
        {"key": quote(field.name, safe=""), "value": _value(field) if field.secret else quote(field.value, safe="")}
        for field in request.query
    ]
    raw = "&".join(f"{pair['key']}={pair['value']}" for pair in query)
    url: dict[str, Any] = {"raw": f"{address}?{raw}" if raw else address, "query": query}
    if found := _ADDRESS.fullmatch(address):
        scheme, host, port, path = found.groups()
        url |= {"protocol": scheme, "host": host.split("."), "path": (path or "/")[1:].split("/")}
        url |= {"port": port} if port else {}
    return url


def _pair(field: Field) -> dict[str, str]:
    return {"key": _plain(field.name), "value": _value(field)}


def _value(field: Field) -> str:
    return _plain(field.value) + (f"{{{{{field.secret}}}}}" if field.secret else "")


def _plain(value: str) -> str:
    """Text of a log in which Postman finds no variable to fill in."""
    return re.sub(r"\{(?=\{)", "{ ", value)
