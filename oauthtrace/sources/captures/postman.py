"""Requests as Postman's collections write them (format v2.0 and v2.1): https://schema.postman.com/collection/json/v2.1.0/."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from oauthtrace.oauth.observe import RawExchange, lower_headers

_BOUNDARY = "oauthtrace"


def request_of(request: Mapping[str, Any]) -> RawExchange | str:
    """The request of a ``request`` object, no answer yet, or why there is none."""
    url = url_of(request.get("url"))
    if not url:
        return "a request without URL"
    headers = lower_headers(_pairs(request.get("header")))
    body = _body(request.get("body"), headers)
    if "authorization" not in headers and (value := _authorization(request.get("auth"))):
        headers["authorization"] = value
    return RawExchange(
        method=str(request.get("method") or "GET").upper(), url=url, request_headers=headers, request_body=body
    )


def url_of(url: Any) -> str:
    """A URL, given as text or in parts."""
    if isinstance(url, str):
        return url
    if not isinstance(url, Mapping):
        return ""
    host = _joined(url.get("host"), ".")
    if not host:
        return str(url.get("raw") or "")
    port = f":{url['port']}" if url.get("port") else ""
    query = "&".join(
        f"{quote(name, safe='%!$()*,;:@/?~')}={quote(value, safe='%!$()*,;:@/?~+')}"
        for name, value in _pairs(url.get("query"))
    )
    path = _joined(url.get("path"), "/").lstrip("/")
    fragment = f"#{url['hash']}" if url.get("hash") else ""
    return f"{url.get('protocol') or 'https'}://{host}{port}/{path}{f'?{query}' if query else ''}{fragment}"


def _joined(parts: Any, sign: str) -> str:
    if isinstance(parts, list):
        return sign.join(str(p.get("value", "")) if isinstance(p, Mapping) else str(p) for p in parts)
    return parts if isinstance(parts, str) else ""


def _pairs(listed: Any) -> Iterator[tuple[str, str]]:
    """Names and values that are switched on."""
    if isinstance(listed, str):  # header lines
        for line in listed.splitlines():
            name, colon, value = line.partition(":")
            if colon:
                yield name.strip(), value.strip()
        return
    for pair in listed if isinstance(listed, list) else ():
        if isinstance(pair, Mapping) and not pair.get("disabled"):
            given = pair.get("value")
            yield str(pair.get("key") or ""), "" if given is None else str(given)


def _body(body: Any, headers: dict[str, str]) -> str | None:
    """The text of a body; sets the content type that its mode means."""
    if not isinstance(body, Mapping) or body.get("disabled"):
        return None
    mode = body.get("mode")
    if mode == "urlencoded":
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
        listed = body.get("urlencoded")
        return listed if isinstance(listed, str) else urlencode(list(_pairs(listed)))
    if mode == "formdata":
        headers["content-type"] = f"multipart/form-data; boundary={_BOUNDARY}"
        parts = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in _pairs(body.get("formdata"))
        )
        return f"{''.join(parts)}--{_BOUNDARY}--\r\n"
    raw = body.get("raw")
    return raw if isinstance(raw, str) else None


def _authorization(auth: Any) -> str | None:
    """The header that a request's own settings make, where it was not written down."""
    if not isinstance(auth, Mapping):
        return None
    kind = auth.get("type")
    values = auth.get(str(kind))
    settings: Mapping[str, Any] = values if isinstance(values, Mapping) else dict(_pairs(values))  # v2.0, v2.1
    if kind == "basic":
        pair = f"{settings.get('username', '')}:{settings.get('password', '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    token = settings.get("token") or settings.get("accessToken")
    return f"Bearer {token}" if kind in ("bearer", "oauth2") and token else None
