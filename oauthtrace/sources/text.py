"""Logs of applications, client libraries, proxies and servers: OAuth failures in any line, with whatever stands beside.

The last resort, and the most used: lines are joined to entries (stack traces, wrapped JSON, continuation lines), then
each entry is read as what it is: a JSON object, an access log line, a request with its status in prose, or a sentence
about OAuth that says that something failed. Absence of anything in a log line proves nothing, so rows see ``query`` only.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, tzinfo
from http import HTTPStatus
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlencode, urlsplit

from oauthtrace.oauth import errors
from oauthtrace.oauth.messages import absent_values
from oauthtrace.oauth.observe import RawExchange, naive_utc, observe
from oauthtrace.providers import find_codes, provider_of
from oauthtrace.sources import Reading, Row, access, lines, lines_of
from oauthtrace.sources.about import CALM, FAILED, INTERESTING, about_oauth, tells_of_failure
from oauthtrace.sources.times import clf_time, to_epoch, utime, yearless

NAME = "text"
TITLE = "any text log of an application, library, proxy or server (fallback)"
SEES = ("query",)
BY_LINE = True


def _iso(text: str, zone: tzinfo) -> float | None:
    return to_epoch(text.replace(" +", "+").replace(" -", "-") if text.count(" ") > 1 else text, zone)


def _syslog(text: str, zone: tzinfo) -> float | None:
    return yearless(text, time.time(), zone)


_TIMES: tuple[tuple[re.Pattern[str], Callable[[str, tzinfo], float | None]], ...] = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d)?"), _iso),
    (re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?"), to_epoch),
    (re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d(?: [+-]\d{4})?"), clf_time),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4}"), utime),
    (re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\b"), _syslog),
)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CONTINUES = re.compile(
    r"^(?:\s|[}\])]|Caused by|Suppressed|#\d+ |\.\.\. |During handling of|The above exception|Response:|Details?:|Reason:|Message:|Body:|Cause:|Stack ?trace:|Traceback \(most|E\s{2,}|-->|\||Processing by |Parameters: |Completed \d{3}|Redirected to )"
)
_EXCEPTION_LINE = re.compile(r"^[\w.$\\]+(?:Error|Exception|Failure|Fault|Warning|Denied|Required)\b[:(]?")
_REQUEST = re.compile(
    r"""\b(?P<method>GET|POST|PUT|DELETE|PATCH|OPTIONS|HEAD)[ :]+["'`]?(?P<url>(?:https?://|/)[^\s"'`<>\\]*)"""
)
_GATEWAY_LINE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\w+\] \d+#\d+: ")
_PHRASES = "|".join(re.escape(status.phrase) for status in HTTPStatus)
_STATUS = re.compile(
    r"(?:HTTP/[\d.]+\\?[\"']?[,: ]+|->\s*|→\s*|=>\s*|\breturned(?: status| code)?[: ]+|\bstatus(?:[ _]?code)?[ =:\"']+|\bresponded(?: with)?[: ]+|\bHTTP[ _/]?|\bgot |\bfailed:? |\bCompleted |:\s*|[\"'`]\s+|^\s+|\)\s+"
    rf"|(?<!\d)(?=\d\d\d (?:{_PHRASES})\b))(?P<status>[1-5]\d\d)\b(?![.:]\d|\s*ms\b|[-/\w])"
)
_PAIR = re.compile(
    r"""["']?\b(?P<name>grant_type|refresh_token|code|client_id|clientId|redirect_uri|state|scope|audience|error|error_description|app|client|username)["']?\s*(?:=>|=|:)\s*(?P<value>"[^"]*"|'[^']*'|[^\s,;&)}\]"']+)"""
)
_ERROR_WORD = re.compile(
    r"\b(invalid_(?:grant|client|request|scope|token|redirect_uri|target|dpop_proof|credentials|code|user_credentials|client_credentials|client_secret|state|issuer|id_token|request_object|client_metadata)|unauthorized_client|access_denied|unsupported_(?:grant|response|token)_type|server_error|temporarily_unavailable"
    r"|insufficient_scope|login_required|interaction_required|consent_required|expired_token|slow_down|authorization_pending|use_dpop_nonce|redirect_uri_mismatch|csrf_detected|bad_verification_code|incorrect_client_credentials|invalid_nonce|user_not_found|client_not_found|authorization_request_not_found)\b"
)
_WRAPPERS = ("invalid_credentials", "server_error", "access_denied")
"""Words under which a library reports whatever the server said; an error code beside them says more."""
_ERROR_MEMBER = re.compile(r"""["']?\berror(?:_?code|Code)?["']?\s*[:=]\s*["']?([A-Za-z][\w.-]{3,60})""")
_JSON = re.compile(r"\{.*\}", re.DOTALL)
_URL = re.compile(r"https?://[^\s\"'<>,;)\]}|\\`]+")
_EVENT_TYPE = re.compile(r'\btype="?([A-Z_]{4,40})"?')


class Entry(NamedTuple):
    """Lines that belong together, and the 1-based number of the first."""

    number: int
    text: str


def sniff(head: bytes) -> float:
    """Any text is text; a little less than what any other format asks for."""
    if not head.strip() or b"\0" in head[:4096]:
        return 0.0
    return 0.2 if lines_of(head) else 0.0


def starts(line: str) -> bool:
    """Whether a line surely begins an entry, whatever stands before it."""
    return bool(line) and not _CONTINUES.match(line) and not _EXCEPTION_LINE.match(line)


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    for entry in entries(stream, reading):
        yield from read_entry(entry, reading)


# --- lines to entries -----------------------------------------------------------------------------------------------


def entries(stream: BinaryIO, reading: Reading, pattern: str = INTERESTING) -> Iterator[Entry]:
    """Entries that hold a line of interest, continuation lines joined; the rest is counted and passed over.

    Args:
        stream: the log.
        reading: takes the tally and the rejects.
        pattern: what makes a line one of interest (Rust regex).
    """
    yield from _joined(_numbered(stream, reading, pattern), reading)


def _numbered(stream: BinaryIO, reading: Reading, pattern: str) -> Iterator[tuple[int, str, bool]]:
    """(1-based number, line, whether it is of interest) of every line."""
    number = 0
    for block in lines.blocks(stream):
        frame = lines.frame_of(block)
        reading.records += frame.height - frame["line"].null_count()
        wanted = frame["line"].str.contains(pattern).fill_null(False).to_list()
        for raw, want in zip(frame["line"].to_list(), wanted, strict=True):
            number += 1
            line = (raw or "").rstrip("\r")
            yield number, _ANSI.sub("", line) if "\x1b" in line else line, want


def _joined(numbered: Iterator[tuple[int, str, bool]], reading: Reading) -> Iterator[Entry]:
    start, has_wanted, in_trace = 0, False, False
    current: list[str] = []
    outer = reading.outer
    for number, line, want in numbered:
        if len(line) > lines.LONGEST_LINE:
            reading.reject(number, f"line of {len(line):,} characters, longer than {lines.LONGEST_LINE:,}", line[:200])
            continue
        continues = (
            bool(current)
            and not (outer is not None and outer.begins(number))
            and len(current) < 400
            and (not line or _CONTINUES.match(line) or (in_trace and _EXCEPTION_LINE.match(line)))
        )
        if not continues:
            if has_wanted:
                yield Entry(start, "\n".join(current))
            start, current, has_wanted, in_trace = number, [], False, False
        current.append(line)
        has_wanted = has_wanted or want
        in_trace = in_trace or line.startswith(("Traceback", "  File ", "\tat ", "    at "))
    if has_wanted:
        yield Entry(start, "\n".join(current))


# --- an entry to rows -------------------------------------------------------------------------------------------------


def read_entry(entry: Entry, reading: Reading) -> Iterator[Row]:
    """The exchange or failure that one entry tells of; nothing when it is not OAuth's or nothing failed.

    A request's line in an access log is an entry of its own: the trace under it tells of something else as well.
    """
    first, newline, rest = entry.text.partition("\n")
    if newline and access.exchange_in(first, reading.zone) is not None:
        parts = [entry._replace(text=first), Entry(entry.number + 1, rest)]
    else:
        parts = [entry]
    for part in parts:
        row = row_of(part.text, reading)
        if row is not None:
            yield reading.place(row, part.number)


def row_of(text: str, reading: Reading) -> Row | None:
    """The row of an entry, before it is placed; None when it is not OAuth's or nothing failed."""
    raw = access.exchange_in(text, reading.zone)
    if raw is not None:
        row = access.row_of(raw, reading)
        if row is not None:
            return row
        if not (raw.note and about_oauth(raw.note)):
            return None
    return _requested(text, reading) or event_of(text, reading)


def _requested(text: str, reading: Reading) -> Row | None:
    """A request with its status in prose: ``POST https://idp/token 400 {"error":…}``."""
    match = _REQUEST.search(text)
    if match is None:
        return None
    rest = text[match.end() :]
    status = _STATUS.search(rest[:600])
    pairs = {m["name"]: m["value"].strip("\"'") for m in _PAIR.finditer(rest[:2000])}
    answer = _JSON.search(rest)
    status = status or (_STATUS.search(text) if not _GATEWAY_LINE.match(text) else None)
    tells_failure = tells_of_failure(text) and (status is None or int(status["status"]) >= 400)
    sent = {
        k: v
        for k, v in pairs.items()
        if (k in ("grant_type", "refresh_token", "code", "client_id", "redirect_uri", "scope") and v != "X")
        or k == "refresh_token"
    }
    raw = RawExchange(
        method=match["method"],
        url=match["url"].rstrip(".,:;)"),
        time=time_of(text, reading.zone),
        request_body=urlencode(sent) if sent and match["method"] == "POST" and "grant_type" in sent else None,
        status=int(status["status"]) if status else None,
        answer_body=answer[0] if answer else None,
        transport_error=_meat(text)[:300] if status is None and tells_failure and not answer else None,
        sees=SEES,
        note=_meat(text) if tells_failure or (status and int(status["status"]) >= 400) else None,
    )
    return told_of(raw, text, reading, failed=tells_failure)


def told_of(raw: RawExchange, text: str, reading: Reading, *, failed: bool) -> Row | None:
    """The row of a request that an entry tells of in words; None when it is not OAuth's."""
    row = observe(raw, reading.redactor)
    if row is None:
        return None
    row["provider"] = row["provider"] or provider_in(text)
    row["facts"] = sorted({f for f in row["facts"] if not f.startswith("no ")} | _text_facts(text))
    if row["error"] is None and (row["status"] or 500) >= 400 and failed:
        _fill_error(row, text, reading)
    return row


def event_of(text: str, reading: Reading, *, ours: bool = False) -> Row | None:
    """A failure that an entry tells of in words, JSON or key=value pairs; None when it is not OAuth's or none failed.

    Args:
        text: the entry.
        reading: has the redactor.
        ours: it is known already that the entry speaks of OAuth.
    """
    if not ours and not about_oauth(text) and not _gateway_trouble(text):
        return None
    event_type = _EVENT_TYPE.search(text)
    failed = tells_of_failure(text) and not (
        event_type and not event_type[1].endswith("ERROR") and "error=" not in text
    )
    absent = absent_values(text)
    if not failed and not absent and _grant(text, {}) is None:
        return None
    meat = _meat(text)
    url = _URL.search(meat)
    parts = urlsplit(url[0].rstrip(".,:;)")) if url and "[" not in url[0] else None
    pairs = {m["name"]: m["value"].strip("\"'") for m in _PAIR.finditer(meat[:4000])}
    redactor = reading.redactor
    row: Row = {
        "time": naive_utc(time_of(text, reading.zone)),
        "sees": list(SEES),
        "step": "event",
        "url": redactor.url(url[0].rstrip(".,:;)")) if url else None,
        "scheme": parts.scheme if parts else None,
        "host": parts.netloc.lower() if parts else None,
        "path": redactor.url(parts.path) if parts else None,
        "client_id": pairs.get("client_id") or pairs.get("clientId"),
        "grant_type": _grant(text, pairs),
        "code_fp": redactor.fingerprint("code", pairs.get("code")) if len(pairs.get("code", "")) > 8 else None,
        "state_fp": redactor.fingerprint("state", pairs.get("state")) if len(pairs.get("state", "")) > 3 else None,
        "message": redactor.text(meat)[:4000],
        "provider": provider_of(parts.netloc.partition(":")[0].lower(), parts.path, ()) if parts else None,
        "facts": sorted({"failure event" if failed else "log context"} | absent | _text_facts(text)),
    }
    if place := re.search(r'"(?:url|uri|path|request_uri)":\s*"(/[^"?]*)', text):
        row["path"] = row["path"] or redactor.url(place[1])
    if row["client_id"] in ("null", "None", "[FILTERED]"):
        row["client_id"] = None
    redirect = pairs.get("redirect_uri")
    if redirect and "://" in redirect:
        row["redirect_uri"] = redactor.url(redirect)
    row["provider"] = row["provider"] or provider_in(text)
    if CALM.search(text):
        row["facts"] = sorted({*row["facts"], "calm line"})
    if failed:
        _fill_error(row, meat, reading)
    elif re.search(r"\bsuccess(?:ful(?:ly)?)?\b|succeeded|->\s*200|refreshed\b", text, re.IGNORECASE):
        row["facts"] = sorted({"log context", "success event"} | absent)
    return row


_GATEWAY = re.compile(
    r"upstream sent too big header|request header or cookie too large|client sent too long|ssl_do_handshake|limiting requests, excess",
    re.IGNORECASE,
)
_LOGIN_PLACE = re.compile(
    r"accounts\.google|login\.microsoftonline|callback|/login|/auth|oauth|oidc|sso|token|code=|state=", re.IGNORECASE
)


def _gateway_trouble(text: str) -> bool:
    """A gateway's own error at a place that belongs to a sign-in."""
    return bool(_GATEWAY.search(text) and _LOGIN_PLACE.search(text))


def _fill_error(row: Row, text: str, reading: Reading) -> None:
    """Error, finer code and description of an entry's text."""
    said = errors.Said()
    for block in _JSON.findall(text)[:1]:
        data = _loose_json(block)
        if data is not None:
            said = errors.of_json(data)
    event = re.search(r'\berror="?([\w-]+)"?', text)
    words = [hit[1] for hit in _ERROR_WORD.finditer(text)]
    word = next((w for w in words if w not in _WRAPPERS), words[0] if words else None)
    member = _ERROR_MEMBER.search(text)
    error = (
        (event[1] if event and _EVENT_TYPE.search(text) else None)
        or word
        or said.error
        or (member[1] if member else None)
    )
    codes = find_codes(text)
    redactor = reading.redactor
    row["error"] = redactor.text(error)[:200] if error else row.get("error")
    row["error_code"] = codes[0][1] if codes else row.get("error_code")
    described = said.description or _sentence(text)
    row["error_description"] = row.get("error_description") or (redactor.text(described)[:1000] if described else None)


def _loose_json(block: str) -> Mapping[str, Any] | None:
    """JSON, or the dictionary as Python and JavaScript print it."""
    for candidate in (block, block.replace('\\"', '"'), re.sub(r"'", '"', block)):
        try:
            data = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            return data
    return None


def _sentence(text: str) -> str | None:
    """The line of an entry that says most: the last exception line, else the first line with a failing word."""
    candidates = [
        line.strip() for line in text.split("\n") if line.strip() and not re.match(r"\s*(?:at |File |#\d)", line)
    ]
    exceptions = [line for line in candidates if _EXCEPTION_LINE.match(line)]
    failing = [line for line in candidates if FAILED.search(line)]
    chosen = (exceptions or failing or candidates)[-1 if exceptions else 0] if candidates else None
    return chosen[:500] if chosen else None


_PREFIX = re.compile(
    r"^(?:\[?[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:.]+ \d{4}\]?\s*|\[?\d{4}[-/]\d\d[-/]\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?\]?\s*|[A-Z][a-z]{2} [ \d]\d [\d:]+ \S+ )+"
)


def _meat(text: str) -> str:
    """An entry without its time, and without the frames of a stack trace."""
    kept = [
        line
        for line in text.split("\n")
        if not re.match(r"\s+(?:at |File \"|in <|from /)|#\d+ |\s*\.\.\. \d+ more", line)
    ]
    return _PREFIX.sub("", "\n".join(kept)).strip()[:6000]


def _grant(text: str, pairs: Mapping[str, str]) -> str | None:
    if "grant_type" in pairs and re.match(r"[a-z_:.-]+$", pairs["grant_type"]):
        return pairs["grant_type"]
    if re.search(
        r"refresh(?:ing|ed)?[_ -]?(?:the |your |an? )?(?:\w+ )?(?:auth )?tokens?|RefreshError|token[_ ]refresh|TokenRefresh|by Refresh Token|REFRESH_TOKEN|, refreshing\b|\brefresh(?:ed|ing) (?:failed|session|credentials)",
        text,
        re.IGNORECASE,
    ):
        return "refresh_token"
    if re.search(r"client[_ ]credentials (?:grant|flow)", text, re.IGNORECASE):
        return "client_credentials"
    if re.search(
        r"code exchange|exchang\w+ (?:the )?(?:authorization )?code|CODE_TO_TOKEN|authorization[_ ]code|/callback\?\S*code=",
        text,
        re.IGNORECASE,
    ):
        return "authorization_code"
    return None


_PROVIDER_WORDS: tuple[tuple[str, str], ...] = (
    ("auth_openidc", "mod-auth-openidc"), ("openidc.lua", "lua-resty-openidc"), ("openid-connect.lua", "lua-resty-openidc"), ("oauthproxy.go", "oauth2-proxy"),
    ("oauth2-proxy", "oauth2-proxy"), ("org.keycloak", "keycloak"), ("keycloak", "keycloak"), ("AADSTS", "entra"), ("AADB2C", "entra-b2c"), ("google_oauth2", "google"),
    ("google.auth", "google"), ("googleapi", "google"), ("springframework.security", "spring"), ("authentik", "authentik"), ("oauthlib", "oauthlib"), ("okta", "okta"),
)  # fmt: skip


def provider_in(text: str) -> str | None:
    """The product that a text, or the name of who wrote it, tells."""
    return next((provider for word, provider in _PROVIDER_WORDS if word in text), None)


def _text_facts(text: str) -> set[str]:
    facts = set()
    if re.search(r"\[?\b(?:callback input|params?|query)\b[^\n]{0,12}(?:\[\]|\{\}|empty)", text, re.IGNORECASE):
        facts.add("callback arrived without parameters")
    return facts


def time_of(text: str, zone: tzinfo = UTC) -> float | None:
    """Epoch seconds of the first time stamp in the first 120 characters of an entry.

    Args:
        text: the entry.
        zone: of a time written without one.
    """
    head = text[:120]
    for pattern, read_time in _TIMES:
        if (match := pattern.search(head)) and (found := read_time(match[0], zone)) is not None:
            return found
    epoch = re.search(r'"(?:ts|time|timestamp)":\s*"?(\d{10}(?:\.\d+)?|\d{13})"?', head + text[120:400])
    return to_epoch(float(epoch[1])) if epoch else None
