"""HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/), as browsers, proxies and API clients write it.

Forgiving: a missing postData, base64 bodies, status 0 with an error, entries without time are read. A sanitized HAR is
noticed: Chrome leaves out Cookie, Set-Cookie and Authorization by default since 130
(https://developer.chrome.com/blog/new-in-devtools-130), and then those headers count as not seen. Entries are read one by
one; a file that is cut off is read up to the last whole one.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any, BinaryIO
from urllib.parse import urlencode

from oauthtrace.oauth.observe import CAPTURE, RawExchange, lower_headers
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.captures.exchanges import MOST_BODY, rows_of
from oauthtrace.sources.documents import Values

NAME = "har"
TITLE = "HTTP Archive 1.2 of a browser, proxy or API client"
SEES = CAPTURE
_TEXT = re.compile(r"json|text|xml|html|urlencoded|javascript|jwt|^$", re.IGNORECASE)
_CREDENTIALS = frozenset({"cookie", "authorization"})
_CHROME = re.compile(r"Chrome/(\d+)")
SANITIZES_SINCE = 130
"""First version of Chrome and its kin whose export leaves out credentials unless asked not to."""


def sniff(head: bytes) -> float:
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")[:4000]
    if not start.startswith(b"{"):
        return 0.0
    if re.match(rb'\{\s*"log"\s*:\s*\{', start):
        return 1.0
    return 0.9 if b'"log"' in start and b'"entries"' in head else 0.0


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    values = Values(stream, reading)
    before = values.seek("entries")
    if before is None:
        reading.reject(None, "no log.entries in it")
        return
    raws = list(_exchanges(values, reading))
    if _sanitized([raw for _, raw in raws], '"WebInspector"' in before):
        reading.notes.append(
            "this HAR was sanitized when it was exported (no Cookie, no Authorization anywhere): "
            "missing credentials in it prove nothing. Export it “with sensitive data”, and share the output of `oauthtrace scrub`."
        )
        for _, raw in raws:
            raw.sees = tuple(word for word in raw.sees if word != "authorization")
    yield from rows_of(raws, reading)


def _exchanges(values: Values, reading: Reading) -> Iterator[tuple[int, RawExchange]]:
    for position, entry in values:
        reading.records += 1
        try:
            yield position, _raw(entry, reading.zone)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reading.reject(
                position, f"not a HAR entry: {type(error).__name__} {error}", json.dumps(entry, default=str)[:300]
            )


def _raw(entry: dict[str, Any], zone: tzinfo) -> RawExchange:
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
        time=_time(entry.get("startedDateTime"), zone),
        duration_ms=float(entry["time"]) if isinstance(entry.get("time"), int | float) and entry["time"] >= 0 else None,
        request_headers=headers,
        request_body=_post(post, headers.get("content-length")),
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


def _post(post: dict[str, Any], length: str | None) -> str | None:
    """The body as it was sent; rebuilt from its decoded pairs where only those are there (Firefox, Charles, Insomnia)."""
    text = post.get("text")
    if isinstance(text, str) and text:
        return _unpacked(text) if post.get("encoding") == "base64" else text
    params = post.get("params")
    if isinstance(params, list) and params:
        pairs = [(str(p.get("name", "")), str(p.get("value", ""))) for p in params if isinstance(p, dict)]
        as_given = "&".join(f"{name}={value}" for name, value in pairs)
        # some write the pairs as they were sent, encoded: the length tells
        return as_given if length == str(len(as_given)) else urlencode(pairs)
    return text if isinstance(text, str) else None


def _unpacked(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except (ValueError, binascii.Error):
        return text


def _body(content: dict[str, Any]) -> str | None:
    text = content.get("text")
    if not isinstance(text, str) or len(text) > 2 * MOST_BODY:
        return None
    if content.get("encoding") == "base64":
        return _unpacked(text) if _TEXT.search(str(content.get("mimeType", ""))) else None
    return text


def _time(text: Any, zone: tzinfo) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).timestamp()


def _sanitized(raws: list[RawExchange], of_chrome: bool) -> bool:  # noqa: FBT001 - what its creator is
    """Whether a browser left out credentials: none shows a Cookie, a Set-Cookie or an Authorization.

    Either the browser is one that leaves them out unless asked not to, or so many requests without one are no chance.
    """
    if any(raw.request_headers.keys() & _CREDENTIALS or "set-cookie" in raw.answer_headers for raw in raws):
        return False
    agents = [raw.request_headers.get("user-agent", "") for raw in raws]
    versions = [int(match[1]) for agent in agents if (match := _CHROME.search(agent))]
    if of_chrome and versions and max(versions) >= SANITIZES_SINCE:
        return True
    browser = [
        raw
        for raw, agent in zip(raws, agents, strict=True)
        if "mozilla/" in agent.lower() or any(name.startswith("sec-") for name in raw.request_headers)
    ]
    return len(browser) >= 10 and len(browser) >= len(raws) * 0.8
