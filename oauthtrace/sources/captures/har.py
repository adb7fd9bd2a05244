"""HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/), as browsers, proxies and API clients write it.

Forgiving: a missing postData, base64 bodies, status 0 with an error, entries without time are read; a sanitized HAR
(no Cookie and no Authorization anywhere, as Chrome exports by default) is noticed, and then those headers count as not
seen. A file that is cut off is read up to the last whole entry.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

from oauthtrace.oauth import endpoints, errors
from oauthtrace.oauth.observe import CAPTURE, RawExchange, lower_headers, observe
from oauthtrace.sources import Reading, Row

NAME = "har"
TITLE = "HTTP Archive 1.2 of a browser, proxy or API client"
SEES = CAPTURE
_TEXT = re.compile(r"json|text|xml|html|urlencoded|javascript|jwt|^$", re.IGNORECASE)


def sniff(head: bytes) -> float:
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")[:4000]
    if not start.startswith(b"{"):
        return 0.0
    if re.match(rb'\{\s*"log"\s*:\s*\{', start):
        return 1.0
    return 0.9 if b'"log"' in start and b'"entries"' in head else 0.0


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    text = stream.read().decode("utf-8-sig", "replace")
    entries = _entries(text, reading)
    reading.records += len(entries)
    raws = []
    for position, entry in enumerate(entries):
        try:
            raws.append((position, _raw(entry)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reading.reject(
                position, f"not a HAR entry: {type(error).__name__} {error}", json.dumps(entry, default=str)[:300]
            )
    if _sanitized(raws):
        reading.notes.append(
            "this HAR was sanitized when it was exported (no Cookie, no Authorization anywhere): "
            "missing credentials in it prove nothing. Export it “with sensitive data”, and share the output of `oauthtrace scrub`."
        )
        for _, raw in raws:
            raw.sees = tuple(word for word in raw.sees if word != "authorization")
    learnt: dict[str, str] = {}
    for _, raw in raws:
        if raw.answer_body and "_endpoint" in raw.answer_body and (document := errors.members(raw.answer_body)):
            learnt |= endpoints.learn(document)
    for position, raw in raws:
        host = raw.url.split("/", 3)[2] if raw.url.count("/") > 2 else raw.url
        reading.hosts[host.rpartition("@")[2][:100]] += 1
        row = observe(raw, reading.redactor, learnt)
        if row is not None:
            yield reading.place(row, position)


def _entries(text: str, reading: Reading) -> list[Any]:
    try:
        document = json.loads(text)
        entries = document["log"]["entries"]
        if isinstance(entries, list):
            return entries
        reading.reject(None, "log.entries is no list", "")
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        reading.reject(None, f"not whole JSON (line {line}): read up to the last whole entry", str(error))
        return _whole_entries(text)
    except (KeyError, TypeError):
        reading.reject(None, "no log.entries in it", text[:100])
    return []


def _whole_entries(text: str) -> list[Any]:
    """Entries of a cut-off HAR, decoded one by one until the first that is not whole."""
    start = text.find('"entries"')
    at = text.find("[", start) + 1
    decoder, out = json.JSONDecoder(), []
    while start >= 0 and at > 0:
        while at < len(text) and text[at] in " \r\n\t,":
            at += 1
        try:
            entry, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        out.append(entry)
    return out


def _raw(entry: dict[str, Any]) -> RawExchange:
    request, response = entry["request"], entry.get("response") or {}
    headers = lower_headers(_pairs(request.get("headers")))
    answer_headers = lower_headers(_pairs(response.get("headers")))
    status = int(response.get("status") or 0) or None
    error = response.get("_error") or entry.get("_error") or response.get("statusText") if status is None else None
    content = response.get("content") or {}
    body = _body(content)
    post = request.get("postData") or {}
    sees = (
        CAPTURE
        if status is None or "text" in content or not content.get("size")
        else tuple(w for w in CAPTURE if w != "answer")
    )
    if headers.get("content-type") is None and post.get("mimeType"):
        headers["content-type"] = str(post["mimeType"])
    return RawExchange(
        method=str(request["method"]).upper(),
        url=str(request["url"]),
        time=_time(entry.get("startedDateTime")),
        duration_ms=float(entry["time"]) if isinstance(entry.get("time"), int | float) and entry["time"] >= 0 else None,
        request_headers=headers,
        request_body=_post(post),
        status=status,
        answer_headers=answer_headers,
        answer_body=body,
        transport_error=str(error) if error else (None if status else "no answer"),
        client_address=None,
        sees=sees,
    )


def _pairs(headers: Any) -> list[tuple[str, str]]:
    out = []
    for header in headers or ():
        if isinstance(header, dict):
            out.append((str(header.get("name", "")), str(header.get("value", ""))))
        elif isinstance(header, list | tuple) and len(header) == 2:  # Slack's export
            out.append((str(header[0]), str(header[1])))
    return out


def _post(post: dict[str, Any]) -> str | None:
    text = post.get("text")
    if isinstance(text, str) and text:
        if post.get("encoding") == "base64":
            try:
                return base64.b64decode(text).decode("utf-8", "replace")
            except (ValueError, binascii.Error):
                return text
        return text
    params = post.get("params")
    if isinstance(params, list) and params:  # Firefox and Charles: decoded pairs instead of the text
        from urllib.parse import urlencode  # noqa: PLC0415

        return urlencode([(str(p.get("name", "")), str(p.get("value", ""))) for p in params if isinstance(p, dict)])
    return text if isinstance(text, str) else None


def _body(content: dict[str, Any]) -> str | None:
    text = content.get("text")
    if not isinstance(text, str):
        return None
    if content.get("encoding") == "base64":
        if not _TEXT.search(str(content.get("mimeType", ""))):
            return None
        try:
            return base64.b64decode(text).decode("utf-8", "replace")
        except (ValueError, binascii.Error):
            return text
    return text


def _time(text: Any) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _sanitized(raws: list[tuple[int, RawExchange]]) -> bool:
    """Whether a browser left out credentials: many browser requests, and none shows a Cookie or an Authorization.

    A cookie that was set and never came back on the same host is the surest sign.
    """
    browser = [
        raw
        for _, raw in raws
        if "mozilla/" in raw.request_headers.get("user-agent", "").lower()
        or any(h.startswith("sec-") for h in raw.request_headers)
    ]
    if len(browser) < 10 or len(browser) < len(raws) * 0.8:
        return False
    return not any(
        raw.request_headers.keys() & {"cookie", "authorization"} or "set-cookie" in raw.answer_headers
        for raw in browser
    )
