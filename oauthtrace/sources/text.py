"""Logs of applications, client libraries, proxies and servers: OAuth failures in any line, with whatever stands beside.

The last resort, and the most used: lines are joined to entries (stack traces, wrapped JSON, continuation lines), then
each entry is read as what it is: a JSON object, an access log line, a request with its status in prose, or a sentence
about OAuth that says that something failed. Absence of anything in a log line proves nothing, so rows see ``query`` only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlencode, urlsplit

from oauthtrace.oauth import errors
from oauthtrace.oauth.endpoints import CANDIDATE
from oauthtrace.oauth.observe import RawExchange, naive_utc, observe
from oauthtrace.providers import find_codes, provider_of
from oauthtrace.sources import Reading, Row, lines, lines_of
from oauthtrace.sources.gateways import json_lines, nginx_combined
from oauthtrace.sources.times import clf_time, to_epoch

NAME = "text"
TITLE = "any text log of an application, library, proxy or server (fallback)"
SEES = ("query",)
BY_LINE = True

ABOUT_OAUTH = re.compile(
    r"oauth|oidc|open ?id|\bcsrf\b|mismatching_?state|authlib|nimbus|cors policy|access-control-allow|jwks?\b|jwt|id[_ ]?token|access[_ -]?token|refresh(?:ing)?[_ -]?(?:the )?(?:\w+ )?token|bearer|redirect[_ ]?ur[il]|client[_ -]?(?:id|secret|assertion|credentials|authentication)\b"
    r"|authori[sz]ation[_ ]?(?:code|server|endpoint|request|grant)|code[_ ]?(?:verifier|challenge|exchange)|token[_ ](?:endpoint|exchange|request|response|refresh)|pkce|grant[_ ]?type|invalid_grant|invalid_client"
    r"|\b(?:csrf_detected|invalid_credentials|state (?:mismatch|parameter)|nonce mismatch|single sign-?on|sso\b|well-known|issuer|token url|userinfo|social ?auth|socialite|omniauth|passport-|next-?auth|keycloak|authentik|entra|adal|msal|cognito|okta|auth0)\b"
    r"|AADSTS\d|AADB2C\d|fetch(?:ing)? token|consent|dpop|scopes?\b.*(?:insufficient|invalid|grant)|insufficient.*scopes?|invalidstate|login provider|identity provider",
    re.IGNORECASE,
)
FAILED = re.compile(
    r"\b(?:error|err|fatal|fata|crit(?:ical)?|severe|alert|emerg|panic|exception|traceback|fail(?:ed|ure|s|ing)?|denied|refused|rejected|invalid|unauthori[sz]ed|forbidden|mismatch|could ?n.t|cannot|unable|missing|expired|revoked|not (?:found|allowed|match|valid|supported|registered|active|configured|authori[sz]ed)|unsupported|timed? ?out|too big|denied|unknown|insufficient|replay|disabled|blocked|bad request|does not match|csrf)"
    r"|(?:Error|Exception|Failure|_ERROR|_error)\b|\b(?:4\d\d|5\d\d) [A-Z][a-z]+|\berror=|\[(?:error|crit|warn)\]",
    re.IGNORECASE,
)
CALM = re.compile(
    r"^(?:\S+\s+){0,4}\[?(?:INFO|DEBUG|TRACE|NOTICE|I)\b|\blevel=\"?(?:info|debug|trace)|\"level\":\s*\"(?:info|debug|trace)",
    re.IGNORECASE,
)
SURELY_FAILED = re.compile(
    r"\b(?:fail(?:ed|ure)|exception|error(?:_description)?[\"']?\s*[:=]\s*[\"']?\w|denied|mismatch|invalid_\w+|unauthorized|expired token|rejected|does not match|csrf_detected|traceback)\b|\w(?:Error|Exception)\b|(?:->|status[=: ]+) ?[45]\d\d\b",
    re.IGNORECASE,
)
INTERESTING = rf"(?i){CANDIDATE}|{ABOUT_OAUTH.pattern}|oauth|oidc|openid|jwt|jwks|sso|bearer|consent|keycloak|grant|csrf|nonce|issuer|pkce|aadsts|aadb2c|upstream|invalidstate|socialite|omniauth|msal|\bscope|certificate|sign"

_TIMES: tuple[tuple[re.Pattern[str], str | None], ...] = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d)?"), None),
    (re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?"), "%Y/%m/%d %H:%M:%S"),
    (re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d(?: [+-]\d{4})?"), "clf"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4}"), "%a %b %d %H:%M:%S %Y"),
    (re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\b"), "syslog"),
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
_STATUS = re.compile(
    r"(?:HTTP/[\d.]+\\?[\"']?[,: ]+|->\s*|→\s*|=>\s*|\breturned(?: status| code)?[: ]+|\bstatus(?:[ _]?code)?[ =:\"']+|\bresponded(?: with)?[: ]+|\bHTTP[ _/]?|\bgot |\bfailed:? |\bCompleted |:\s*|[\"'`]\s+|^\s+|\)\s+)(?P<status>[1-5]\d\d)\b(?![.:]\d|\s*ms\b|[-/\w])"
)
_PAIR = re.compile(
    r"""["']?\b(?P<name>grant_type|refresh_token|code|client_id|clientId|redirect_uri|state|scope|audience|error|error_description|app|client|username)["']?\s*(?:=>|=|:)\s*(?P<value>"[^"]*"|'[^']*'|[^\s,;&)}\]"']+)"""
)
_ERROR_WORD = re.compile(
    r"\b(invalid_(?:grant|client|request|scope|token|redirect_uri|target|dpop_proof|credentials|code|user_credentials|client_credentials|client_secret|state|issuer|id_token|request_object|client_metadata)|unauthorized_client|access_denied|unsupported_(?:grant|response|token)_type|server_error|temporarily_unavailable"
    r"|insufficient_scope|login_required|interaction_required|consent_required|expired_token|slow_down|authorization_pending|use_dpop_nonce|redirect_uri_mismatch|csrf_detected|bad_verification_code|incorrect_client_credentials|invalid_nonce|user_not_found|client_not_found|authorization_request_not_found)\b"
)
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


def entries(stream: BinaryIO, reading: Reading) -> Iterator[Entry]:
    """Entries that hold a line of interest, continuation lines joined; the rest is counted and passed over."""
    before = 0
    for block in lines.blocks(stream):
        frame = lines.frame_of(block)
        reading.records += frame.height - frame["line"].null_count()
        wanted = frame["line"].str.contains(INTERESTING).fill_null(False).to_list()
        yield from _entries_of(frame["line"].to_list(), wanted, before, reading)
        before += frame.height


def _entries_of(texts: list[str | None], wanted: list[bool], before: int, reading: Reading) -> Iterator[Entry]:
    start, has_wanted, in_trace = 0, False, False
    current: list[str] = []
    for index, (raw, want) in enumerate(zip(texts, wanted, strict=True)):
        line = _ANSI.sub("", (raw or "").rstrip("\r")) if raw and "\x1b" in raw else (raw or "").rstrip("\r")
        if len(line) > lines.LONGEST_LINE:
            reading.reject(
                before + index + 1, f"line of {len(line):,} characters, longer than {lines.LONGEST_LINE:,}", line[:200]
            )
            continue
        continues = (
            bool(current)
            and len(current) < 400
            and (not line or _CONTINUES.match(line) or (in_trace and _EXCEPTION_LINE.match(line)))
        )
        if not continues:
            if has_wanted:
                yield Entry(before + start + 1, "\n".join(current))
            start, current, has_wanted, in_trace = index, [], False, False
        current.append(line)
        has_wanted = has_wanted or want
        in_trace = in_trace or line.startswith(("Traceback", "  File ", "\tat ", "    at "))
    if has_wanted:
        yield Entry(before + start + 1, "\n".join(current))


# --- an entry to rows -------------------------------------------------------------------------------------------------


def read_entry(entry: Entry, reading: Reading) -> Iterator[Row]:
    """The exchange or failure that one entry tells of; nothing when it is not OAuth's or nothing failed."""
    raw = _access(entry.text)
    if raw is not None:
        row = observe(raw, reading.redactor)
        if row is not None:
            if raw.user and row["step"] == "token" and row.get("client_id") is None:
                row["client_id"] = raw.user
            yield reading.place(row, entry.number)
            return
        reading.hosts["(host not logged)"] += 1
        if not (raw.note and ABOUT_OAUTH.search(raw.note)):
            return
    row = _requested(entry, reading)
    if row is not None:
        yield reading.place(row, entry.number)
        return
    row = _event(entry, reading)
    if row is not None:
        yield reading.place(row, entry.number)


def _access(text: str) -> RawExchange | None:
    """The exchange of an access log line, as nginx, Apache or a JSON logger write it."""
    raw: RawExchange | str = nginx_combined.raw_of(text)
    if isinstance(raw, RawExchange):
        return raw
    if text.lstrip().startswith("{") and (data := json_lines.parse_line(text)) is not None:
        raw = json_lines.raw_of(data)
        return raw if isinstance(raw, RawExchange) else None
    return None


def _requested(entry: Entry, reading: Reading) -> Row | None:
    """A request with its status in prose: ``POST https://idp/token 400 {"error":…}``."""
    match = _REQUEST.search(entry.text)
    if match is None:
        return None
    rest = entry.text[match.end() :]
    status = _STATUS.search(rest[:600])
    pairs = {m["name"]: m["value"].strip("\"'") for m in _PAIR.finditer(rest[:2000])}
    answer = _JSON.search(rest)
    status = status or (_STATUS.search(entry.text) if not _GATEWAY_LINE.match(entry.text) else None)
    told = FAILED.search(entry.text) is not None and not (
        CALM.search(entry.text) and not SURELY_FAILED.search(entry.text)
    )
    tells_failure = bool(told and (status is None or int(status["status"]) >= 400))
    sent = {
        k: v
        for k, v in pairs.items()
        if (k in ("grant_type", "refresh_token", "code", "client_id", "redirect_uri", "scope") and v != "X")
        or k == "refresh_token"
    }
    raw = RawExchange(
        method=match["method"],
        url=match["url"].rstrip(".,:;)"),
        time=time_of(entry.text),
        request_body=urlencode(sent) if sent and match["method"] == "POST" and "grant_type" in sent else None,
        status=int(status["status"]) if status else None,
        answer_body=answer[0] if answer else None,
        transport_error=_meat(entry.text)[:300] if status is None and tells_failure and not answer else None,
        sees=SEES,
        note=_meat(entry.text) if tells_failure or (status and int(status["status"]) >= 400) else None,
    )
    row = observe(raw, reading.redactor)
    if row is None:
        return None
    row["provider"] = row["provider"] or _provider(entry.text)
    row["facts"] = sorted({f for f in row["facts"] if not f.startswith("no ")} | _text_facts(entry.text))
    if row["error"] is None and (row["status"] or 500) >= 400 and tells_failure:
        _fill_error(row, entry.text, reading)
    return row


def _event(entry: Entry, reading: Reading) -> Row | None:
    """A failure that an entry tells of in words, JSON or key=value pairs."""
    text = entry.text
    if not ABOUT_OAUTH.search(text) and not _gateway_trouble(text):
        return None
    event_type = _EVENT_TYPE.search(text)
    calm = CALM.search(text) and not SURELY_FAILED.search(text)
    failed = (
        bool(FAILED.search(text))
        and not calm
        and not (event_type and not event_type[1].endswith("ERROR") and "error=" not in text)
    )
    if not failed and _grant(text, {}) is None:
        return None
    meat = _meat(text)
    url = _URL.search(meat)
    parts = urlsplit(url[0].rstrip(".,:;)")) if url and "[" not in url[0] else None
    pairs = {m["name"]: m["value"].strip("\"'") for m in _PAIR.finditer(meat[:4000])}
    redactor = reading.redactor
    row: Row = {
        "time": naive_utc(time_of(text)),
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
        "facts": sorted({"failure event" if failed else "log context"} | _text_facts(text)),
    }
    if place := re.search(r'"(?:url|uri|path|request_uri)":\s*"(/[^"?]*)', text):
        row["path"] = row["path"] or redactor.url(place[1])
    if row["client_id"] in ("null", "None", "[FILTERED]"):
        row["client_id"] = None
    redirect = pairs.get("redirect_uri")
    if redirect and "://" in redirect:
        row["redirect_uri"] = redactor.url(redirect)
    row["provider"] = row["provider"] or _provider(text)
    if failed:
        _fill_error(row, meat, reading)
    elif re.search(r"\bsuccess(?:ful(?:ly)?)?\b|succeeded|->\s*200|refreshed\b", text, re.IGNORECASE):
        row["facts"] = ["log context", "success event"]
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
    word = _ERROR_WORD.search(text)
    member = _ERROR_MEMBER.search(text)
    error = (
        (event[1] if event and _EVENT_TYPE.search(text) else None)
        or (word[1] if word else None)
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
        r"refresh(?:ing|ed)?[_ -]?(?:the |your |an? )?(?:\w+ )?(?:auth )?tokens?|RefreshError|token refresh|TokenRefresh|by Refresh Token|REFRESH_TOKEN|, refreshing\b|\brefresh(?:ed|ing) (?:failed|session|credentials)",
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


def _provider(text: str) -> str | None:
    return next((provider for word, provider in _PROVIDER_WORDS if word in text), None)


def _text_facts(text: str) -> set[str]:
    facts = set()
    if re.search(r"\[?\b(?:callback input|params?|query)\b[^\n]{0,12}(?:\[\]|\{\}|empty)", text, re.IGNORECASE):
        facts.add("callback arrived without parameters")
    return facts


def time_of(text: str) -> float | None:
    """Epoch seconds of the first time stamp in the first 120 characters of an entry; without a zone it counts as UTC."""
    head = text[:120]
    for pattern, form in _TIMES:
        match = pattern.search(head)
        if match is None:
            continue
        stamp = match[0]
        try:
            if form is None:
                return to_epoch(stamp.replace(" +", "+").replace(" -", "-") if stamp.count(" ") > 1 else stamp)
            if form == "clf":
                return clf_time(stamp)
            if form == "syslog":
                return (
                    datetime.strptime(f"{datetime.now(UTC).year} {stamp}", "%Y %b %d %H:%M:%S")
                    .replace(tzinfo=timezone(timedelta()))
                    .timestamp()
                )
            base, _, fraction = stamp.partition(".")
            if form.startswith("%a"):
                base, _, year = stamp.rpartition(" ")
                base, _, fraction = base.partition(".")
                base = f"{base} {year}"
            parsed = datetime.strptime(base, form).replace(tzinfo=UTC).timestamp()
            return parsed + (float(f"0.{fraction}") if fraction.isdigit() else 0.0)
        except ValueError:
            continue
    epoch = re.search(r'"(?:ts|time|timestamp)":\s*"?(\d{10}(?:\.\d+)?|\d{13})"?', head + text[120:400])
    return to_epoch(float(epoch[1])) if epoch else None
