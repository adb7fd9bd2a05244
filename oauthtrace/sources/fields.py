"""Fields of an access log under our names, and the exchange that they tell of: the same whoever wrote the log.

A format maps what its product writes to these names; :func:`exchange_of` knows what they mean.

========================================  ==========================================================================
``time`` or ``ended``                     when the request began, or when it was over: see :func:`~.times.to_epoch`
``took_s`` ``_ms`` ``_us`` ``_ns``        how long it took; what is below zero or no number is unknown
``request``                               request line: method, target, protocol
``method``, ``url``, ``path``, ``query``  the same in parts; ``url`` may be absolute and may hold the query
``scheme``, ``host``, ``port``            of the URL, where it is not absolute
``status``                                of the answer; 0 and 000 are none
``upstream_status``                       what the server behind the gateway answered, the last try last
``upstream_wait``                         how long its header took; none where it never came
``client``, ``user``, ``request_id``      caller's address, with or without port; user of HTTP Basic; correlation id
``request_body``, ``answer_body``         text, or JSON that was parsed
``in:NAME``, ``out:NAME``                 header of the request and of the answer
``in:*``, ``out:*``                       all of them, as an object
``flag:WORDS``                            what the gateway itself says of the exchange, in words of flags.toml
``note``                                  the same in free text
========================================  ==========================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any
from urllib.parse import urlencode

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import flags
from oauthtrace.sources.times import to_epoch

Found = Mapping[str, Any]
"""Our name -> value as written."""

_MASKED = frozenset({"REDACTED", "[REDACTED]", "(REDACTED)"})
ABSENT = frozenset({"", "-", "null", "(null)", "None", "unknown"}) | _MASKED
"""Texts that stand for no value."""
REQUEST_LINE = re.compile(r"^([A-Z]{3,10}) (\S+)(?: HTTP/[\d.]+)?$")
_PORT = re.compile(r"^(?:\[([0-9A-Fa-f:.]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d+)?$")
_PLAIN_PORT = re.compile(r"^(?:(https://[^/?#:]+):443|(http://[^/?#:]+):80)(?=[/?#]|$)")
_NUMBER = re.compile(r"^\+?(\d+(?:\.\d+)?)")
_UNITS_MS = {"took_s": 1e3, "took_ms": 1.0, "took_us": 1e-3, "took_ns": 1e-6}
_LEFT = "client left before the answer"
_ITSELF = "gateway answered itself"


def exchange_of(found: Found, zone: tzinfo = UTC) -> RawExchange | str:
    """The exchange that fields tell of, or why they tell of none.

    Args:
        found: the fields. One without a value that the record has all the same says that there was nothing, a body
            excepted: most servers log it only at times.
        zone: of times written without one.
    """
    target = _target(found)
    if isinstance(target, str):
        return target
    if "status" not in found:
        return "no status"
    status = last_number(found["status"])
    written = text_of(found["status"])
    if status is None and written is not None and written != "-1":
        return f"status is no number: {written[:20]}"
    sent, answered = _headers(found, "in:"), _headers(found, "out:")
    told = flags.read({name[5:]: value for name, value in found.items() if name.startswith("flag:")})
    note = " | ".join(part for part in (text_of(found.get("note")), told.note) if part)
    took = duration_ms(found)
    time = to_epoch(found.get("time"), zone)
    if time is None and (ended := to_epoch(found.get("ended"), zone)) is not None:
        time = ended - (took or 0.0) / 1000
    facts = set(told.facts)
    if status in (499, 460):
        facts.add(_LEFT)  # nginx; Elastic Load Balancing
    if (status or 0) >= 400 and _upstream_silent(found):
        facts.add(_ITSELF)
    return RawExchange(
        method=target[0],
        url=target[1],
        time=time,
        duration_ms=took,
        request_headers=sent,
        request_body=text_of(found.get("request_body")),
        status=status or None,
        answer_headers=answered,
        answer_body=text_of(found.get("answer_body")),
        transport_error=None if status else (note or "no answer was sent"),
        client_address=_address(found, sent),
        user=text_of(found.get("user")),
        request_id=(text_of(found.get("request_id")) or "")[:80] or None,
        note=note or None,
        code=told.code,
        step=told.step,
        sees=sees_of({name for name, value in found.items() if _shows(name, value)}),
        facts=tuple(sorted(facts)),
    )


def sees_of(names: set[str] | frozenset[str]) -> tuple[str, ...]:
    """What records with these fields can show: the words of :data:`oauthtrace.exchange.COLUMNS`, column ``sees``."""
    told = {
        "query": names & {"request", "url", "query"},
        "headers": names & {"in:*"},
        "authorization": names & {"in:authorization"},
        "body": names & {"request_body"},
        "answer": names & {"answer_body"},
        "location": names & {"out:location", "out:*"},
    }
    return tuple(word for word, by in told.items() if by)


def _shows(name: str, value: Any) -> bool:
    """Whether a field of a record proves something by its absence, too."""
    if name in ("request_body", "answer_body"):
        return text_of(value) is not None
    return not (name == "in:authorization" and str(value) in _MASKED)


def text_of(value: Any) -> str | None:
    """A value as text; None when there is none."""
    if value is None or isinstance(value, bool):
        return None
    text = (json.dumps(value) if value else "") if isinstance(value, dict | list) else str(value)
    return None if text in ABSENT else text


def last_number(value: Any) -> int | None:
    """The number at the end of a list of tries (``502, 200 : 404``), or None."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    text = re.split(r"[,:]", str(value))[-1].strip()
    return int(text) if text.isascii() and text.isdigit() else None


def duration_ms(found: Found) -> float | None:
    """Milliseconds from request to answer, whatever unit it was written in."""
    for name, factor in _UNITS_MS.items():
        if match := _NUMBER.match(str(found.get(name, ""))):
            return float(match[1]) * factor
    return None


def _target(found: Found) -> tuple[str, str] | str:
    """Method and URL of the request, or why there are none."""
    line, method = text_of(found.get("request")), text_of(found.get("method"))
    url = text_of(found.get("url")) or text_of(found.get("path"))
    if line is not None and not (method and url):
        if (match := REQUEST_LINE.match(line)) is None:
            return "request line is not HTTP"
        method, url = match[1], match[2]
    if not method or not url:
        return "no request line" if "request" in found else "no method and URL"
    query = found.get("query")
    if "?" not in url and query and text_of(query):
        url = f"{url}?{_query(query)}"
    host = text_of(found.get("host")) or text_of(found.get("in:host"))
    if url.startswith("/") and host:
        port = text_of(found.get("port"))
        scheme = text_of(found.get("scheme")) or ("http" if port == "80" else "https")
        if port and port not in ("80", "443") and ":" not in host:
            host = f"{host}:{port}"
        url = f"{scheme.lower()}://{host}{url}"
    return method, _PLAIN_PORT.sub(lambda match: match[1] or match[2], url)


def _query(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value).lstrip("?")
    return urlencode({k: "" if v is True else v for k, v in value.items()}, doseq=True)


def _headers(found: Found, prefix: str) -> dict[str, str]:
    named = {name[len(prefix) :]: value for name, value in found.items() if name.startswith(prefix)}
    every = named.pop("*", None)
    if isinstance(every, Mapping):
        named = {str(name).lower(): value for name, value in every.items()} | named
    out = {}
    for name, value in named.items():
        text = "\n".join(map(str, value)) if isinstance(value, list) else text_of(value)
        if text and text not in ABSENT:
            out[name] = text
    return out


def _address(found: Found, sent: Mapping[str, str]) -> str | None:
    client = text_of(found.get("client")) or sent.get("x-forwarded-for")
    if client is None:
        return None
    first = client.partition(",")[0].strip()
    match = _PORT.match(first)
    return (match[1] or match[2]) if match else first[:60]


def _upstream_silent(found: Found) -> bool:
    """Whether the log tells of a server behind the gateway, and that it did not answer."""
    for name in ("upstream_wait", "upstream_status"):
        if name in found:
            value = found[name]
            last = re.split(r", | : ", str(value))[-1].strip() if value is not None else ""
            if last in ("", "-", "0", "000", "-1", "None"):
                return True
    return False
