"""What the variables of servers' log formats hold, and how each server writes them: nginx, Apache, Envoy, HAProxy, API Gateway.

A dialect turns a format string into literals and :class:`Variable`, each with its name among ours (see
:mod:`oauthtrace.sources.fields`) and the kind of text it stands for (see :data:`KINDS`).

https://nginx.org/en/docs/varindex.html, https://httpd.apache.org/docs/2.4/mod/mod_log_config.html#formats,
https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#command-operators,
https://docs.haproxy.org/2.8/configuration.html#8.2.6,
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

KINDS: Mapping[str, str] = {
    "word": r"[^\s\"]++",
    "number": r"[-+]?(?:\d++(?:\.\d++)?|)",
    "status": r"(?:\d{3}|0|-1|-)",
    "clf": r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d++)?(?: [+-]\d{4})?",
    "bracketed": r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d++)?(?: [+-]\d{4})?",
    "iso": r"\d{4}-\d\d-\d\d[T ][\d:.,]++(?:Z|[+-]\d\d:?\d\d)?",
    "tries": r"[^\s,\"]++(?:(?:, | : )[^\s,\"]++)*+",
    "host": r"[^\s/\"]*+",
    "address": r"[0-9A-Fa-f:.]++|\S++",
    "hostname": r"(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?::\d{1,5})?",
    "target": r"/[^\s\"]*+|[^\s/\"][^\s\"]*+|-|",
    "uri": r"[^\s?\"]*+",
    "isargs": r"\??+",
    "args": r"[^\s\"]*+",
    "text": r".{0,4000}?",
    "rest": r".*",
}
"""Kind -> pattern of its text where it does not stand in quotes. Possessive, so that hostile lines cost no time."""
QUOTED = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
MAY_TOUCH = {("host", "target"), ("uri", "isargs"), ("target", "isargs"), ("isargs", "args"), ("uri", "args"), ("host", "uri")}  # fmt: skip
"""Kinds of which the second may follow the first without a literal between, since it shows where it begins."""


class Variable(NamedTuple):
    """One variable of a format: as written, our name for it (None: of no use), its kind, its strftime form if it has one."""

    written: str
    ours: str | None
    kind: str
    form: str | None = None


Token = str | Variable
Row = tuple[str | None, str]


class Dialect(NamedTuple):
    """How a server writes formats: its name, the pattern of a variable, and what one match of it is."""

    name: str
    title: str
    pattern: re.Pattern[str]
    variable: Callable[[re.Match[str]], Token]
    """Raises ValueError for a variable that the server does not have."""


def tokens(text: str, dialect: Dialect) -> list[Token]:
    """A format string as literals and variables.

    Raises:
        ValueError: a variable that the server does not have, named.
    """
    out: list[Token] = []
    end = 0
    for match in dialect.pattern.finditer(text):
        out += [text[end : match.start()], "%" if match[0] == "%%" else dialect.variable(match)]
        end = match.end()
    out.append(text[end:])
    joined: list[Token] = []
    for token in out:
        if isinstance(token, str) and joined and isinstance(joined[-1], str):
            joined[-1] += token
        elif token:
            joined.append(token)
    return joined


# --- nginx ------------------------------------------------------------------------------------------------------------

_NGINX: dict[str, Row] = {
    "time_local": ("ended", "clf"), "time_iso8601": ("ended", "iso"), "msec": ("ended", "number"), "request": ("request", "text"),
    "request_method": ("method", "word"), "request_uri": ("url", "target"), "uri": ("path", "uri"), "document_uri": ("path", "uri"), "args": ("query", "args"),
    "query_string": ("query", "args"), "is_args": (None, "isargs"), "status": ("status", "status"), "request_time": ("took_s", "number"),
    "host": ("host", "host"), "http_host": ("in:host", "host"), "server_name": ("host", "host"), "server_port": ("port", "number"), "scheme": ("scheme", "word"),
    "remote_addr": ("client", "address"), "realip_remote_addr": (None, "address"), "remote_user": ("user", "text"), "request_id": ("request_id", "word"), "req_id": ("request_id", "word"),
    "upstream_status": ("upstream_status", "tries"), "upstream_header_time": ("upstream_wait", "tries"), "request_body": ("request_body", "text"),
    "resp_body": ("answer_body", "text"), "response_body": ("answer_body", "text"), "body_bytes_sent": (None, "number"), "bytes_sent": (None, "number"),
    "request_length": (None, "number"), "connection": (None, "number"), "connection_requests": (None, "number"), "pipe": (None, "word"),
    "remote_port": (None, "number"), "limit_req_status": ("note", "word"), "ssl_client_verify": (None, "text"),
}  # fmt: skip


def _nginx(match: re.Match[str]) -> Token:
    name = match[1] or match[2]
    if row := _NGINX.get(name):
        return Variable(match[0], *row)
    for start, prefix in (("http_", "in:"), ("sent_http_", "out:"), ("upstream_http_", "out:")):
        if name.startswith(start):
            return Variable(match[0], prefix + name.removeprefix(start).replace("_", "-"), "text")
    return Variable(match[0], None, "tries" if name.startswith("upstream_") else "text")


# --- Apache -----------------------------------------------------------------------------------------------------------

_APACHE: dict[str, Row] = {
    "a": ("client", "address"), "h": ("client", "address"), "A": (None, "address"), "B": (None, "number"), "b": (None, "number"), "D": ("took_us", "number"), "f": (None, "text"),
    "H": (None, "word"), "k": (None, "number"), "l": (None, "word"), "L": ("request_id", "word"), "m": ("method", "word"), "p": ("port", "number"), "P": (None, "number"),
    "q": ("query", "args"), "r": ("request", "text"), "R": (None, "word"), "s": ("status", "status"), "t": ("time", "bracketed"), "T": ("took_s", "number"), "u": ("user", "text"), "U": ("path", "uri"),
    "v": ("host", "host"), "V": ("host", "host"), "X": (None, "word"), "I": (None, "number"), "O": (None, "number"), "S": (None, "number"),
}  # fmt: skip
_APACHE_TOOK = {"ms": "took_ms", "us": "took_us", "s": "took_s"}


def _apache(match: re.Match[str]) -> Token:
    argument, letter = match[1], match[2]
    if argument and (row := _apache_of(argument, letter)):
        return Variable(match[0], *row)
    if letter == "t" and argument:
        plain = argument.removeprefix("begin:").removeprefix("end:")
        return Variable(match[0], "ended" if argument.startswith("end:") else "time", "strftime", plain)
    if letter not in _APACHE:
        raise ValueError(f"log format: {match[0]} is no directive of Apache's LogFormat")
    return Variable(match[0], *_APACHE[letter])


def _apache_of(argument: str, letter: str) -> Row | None:
    """What a directive with an argument holds; None where the argument changes only how it is written."""
    plain = argument.removeprefix("begin:").removeprefix("end:")
    rows: dict[str, Row | None] = {
        "i": (f"in:{argument.lower()}", "text"),
        "o": (f"out:{argument.lower()}", "text"),
        "e": ("request_id" if argument == "UNIQUE_ID" else None, "text"),
        "t": {"sec": ("time", "number"), "msec": ("time", "number"), "usec": ("time", "number"), "msec_frac": (None, "number"), "usec_frac": (None, "number")}.get(plain),
        "T": (_APACHE_TOOK.get(argument), "number"),
        "a": (None, "address") if argument == "c" else None,
    }  # fmt: skip
    return (None, "text") if letter in "Cnx" else rows.get(letter)


# --- Envoy ------------------------------------------------------------------------------------------------------------

_ENVOY: dict[str, Row] = {
    "START_TIME": ("time", "iso"), "START_TIME_LOCAL": ("time", "iso"), "PROTOCOL": (None, "word"), "RESPONSE_CODE": ("status", "status"), "RESPONSE_FLAGS": ("flag:envoy", "word"),
    "RESPONSE_FLAGS_LONG": ("flag:envoy", "word"), "RESPONSE_CODE_DETAILS": ("flag:envoy-details", "word"), "CONNECTION_TERMINATION_DETAILS": (None, "word"),
    "UPSTREAM_TRANSPORT_FAILURE_REASON": ("note", "text"), "DURATION": ("took_ms", "number"), "DOWNSTREAM_REMOTE_ADDRESS": ("client", "word"),
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": ("client", "word"), "DOWNSTREAM_DIRECT_REMOTE_ADDRESS": (None, "word"), "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": (None, "word"),
    "BYTES_RECEIVED": (None, "number"), "BYTES_SENT": (None, "number"), "STREAM_ID": ("request_id", "word"), "PATH": ("url", "target"), "UPSTREAM_HOST": (None, "word"),
}  # fmt: skip
_ENVOY_OTHERS = re.compile(
    r"(?:UPSTREAM|DOWNSTREAM|RESPONSE|REQUEST|ROUTE|VIRTUAL|CONNECTION|FILTER|DYNAMIC|CLUSTER|TRACE|COMMON|EMIT|ACCESS|LOCAL|UNIQUE|METADATA|ENVIRONMENT|HOSTNAME|GRPC|TRAILER|REQUESTED|QUERY|BYTES|WIRE|TLS|JA3)_?\w*$"
)
_ENVOY_HEADERS = {":method": ("method", "word"), ":path": ("url", "target"), ":authority": ("host", "host"), ":scheme": ("scheme", "word"), "x-request-id": ("request_id", "word"), "x-envoy-original-path": ("url", "target"), ":status": ("status", "status"), "x-envoy-upstream-service-time": (None, "number")}  # fmt: skip


def _envoy(match: re.Match[str]) -> Token:
    name, argument = match[1], match[2]
    if name in ("REQ", "RESP", "REQ_WITHOUT_QUERY") and argument:
        header = argument.partition("?")[0].lower()
        if row := _ENVOY_HEADERS.get(header):
            return Variable(match[0], *("path", "uri") if name == "REQ_WITHOUT_QUERY" and row[0] == "url" else row)
        return Variable(match[0], f"{'out' if name == 'RESP' else 'in'}:{header}", "text")
    if name.startswith("START_TIME") and argument:
        return Variable(match[0], "time", "strftime", argument)
    if name == "PATH" and argument and argument.startswith("NQ"):
        return Variable(match[0], "path", "uri")
    if row := _ENVOY.get(name):
        return Variable(match[0], *row)
    if not _ENVOY_OTHERS.match(name):
        raise ValueError(f"log format: {match[0]} is no command operator of Envoy")
    return Variable(match[0], None, "word")


# --- HAProxy ----------------------------------------------------------------------------------------------------------

_HAPROXY: dict[str, Row] = {
    "ci": ("client", "address"), "cp": (None, "number"), "tr": ("time", "clf"), "t": ("time", "clf"), "T": ("ended", "clf"), "Tl": ("ended", "clf"), "Ts": ("ended", "number"), "ts": (None, "word"),
    "ft": (None, "word"), "f": (None, "word"), "b": (None, "word"), "s": (None, "word"), "H": (None, "word"), "bi": (None, "address"), "bp": (None, "number"), "fi": (None, "address"), "fp": (None, "number"), "si": (None, "address"), "sp": (None, "number"),
    "TR": (None, "number"), "Tw": (None, "number"), "Tc": (None, "number"), "Tr": ("upstream_wait", "number"), "Ta": ("took_ms", "number"), "Tt": ("took_ms", "number"), "Tq": (None, "number"), "Th": (None, "number"), "Ti": (None, "number"), "Td": (None, "number"), "Tu": (None, "number"),
    "ST": ("status", "status"), "B": (None, "number"), "U": (None, "number"), "CC": (None, "word"), "CS": (None, "word"), "tsc": ("flag:haproxy", "word"), "ac": (None, "number"), "fc": (None, "number"), "bc": (None, "number"), "sc": (None, "number"), "rc": (None, "number"),
    "sq": (None, "number"), "bq": (None, "number"), "hr": (None, "text"), "hs": (None, "text"), "hrl": (None, "text"), "hsl": (None, "text"), "r": ("request", "text"), "HM": ("method", "word"), "HP": ("path", "uri"), "HPO": ("path", "uri"), "HU": ("url", "target"), "HUO": ("url", "target"), "HQ": ("query", "args"),
    "HV": (None, "word"), "ID": ("request_id", "word"), "pid": (None, "number"), "rt": (None, "number"), "lc": (None, "number"), "ms": (None, "number"), "sslc": (None, "word"), "sslv": (None, "word"), "o": (None, "word"), "trg": ("time", "clf"), "trl": ("time", "clf"), "tg": (None, "word"),
}  # fmt: skip
_SAMPLES = {"method": ("method", "word"), "path": ("path", "uri"), "pathq": ("url", "target"), "url": ("url", "target"), "query": ("query", "args"), "status": ("status", "status"), "src": ("client", "address"), "txn.status": ("status", "status")}  # fmt: skip


def _haproxy(match: re.Match[str]) -> Token:
    if (sample := match[2]) is not None:
        header = re.search(r"(?:req\.)?(?:f?hdr|hdr)\(([\w-]+)", sample)
        ours = (
            f"{'out' if sample.startswith(('res.', 'fc_', 'capture.res')) else 'in'}:{header[1].lower()}"
            if header and not header[1].isdigit()
            else None
        )
        return Variable(match[0], *_SAMPLES.get(re.split(r"[,(]", sample)[0], (ours, "text")))
    if match[3] not in _HAPROXY:
        raise ValueError(f"log format: {match[0]} is no variable of HAProxy's log-format")
    row = _HAPROXY[match[3]]
    return Variable(match[0], row[0], "quoted" if match[1] and "+Q" in match[1] else row[1])


# --- Amazon API Gateway -----------------------------------------------------------------------------------------------

_APIGW: dict[str, Row] = {
    "requestTime": ("time", "clf"), "requestTimeEpoch": ("time", "number"), "httpMethod": ("method", "word"), "http.method": ("method", "word"), "path": ("path", "uri"), "http.path": ("path", "uri"), "resourcePath": (None, "uri"),
    "routeKey": (None, "text"), "status": ("status", "status"), "domainName": ("host", "host"), "identity.sourceIp": ("client", "address"), "http.sourceIp": ("client", "address"), "identity.userAgent": ("in:user-agent", "text"), "responseLatency": ("took_ms", "number"),
    "requestId": ("request_id", "word"), "extendedRequestId": (None, "word"), "integrationStatus": ("upstream_status", "status"), "integration.status": ("upstream_status", "status"), "authorizer.error": ("flag:aws-apigw", "text"), "authorize.error": ("flag:aws-apigw", "text"),
    "error.message": ("note", "text"), "error.messageString": ("note", "text"), "error.responseType": ("flag:aws-apigw", "word"), "integrationErrorMessage": ("note", "text"), "integration.error": ("note", "text"), "protocol": (None, "word"), "responseLength": (None, "number"),
}  # fmt: skip


def _apigw(match: re.Match[str]) -> Token:
    return Variable(match[0], *_APIGW.get(match[1], (None, "text")))


DIALECTS: tuple[tuple[re.Pattern[str], Dialect], ...] = (
    (
        re.compile(r"\$context\.\w"),
        Dialect("aws-apigw", "Amazon API Gateway", re.compile(r"\$context\.([A-Za-z]\w*(?:\.\w+)*)"), _apigw),
    ),
    (
        re.compile(r"^\s*log_format\b|\$\{?[a-z_]\w*\}?"),
        Dialect("nginx", "nginx", re.compile(r"\$(?:\{([A-Za-z]\w*)\}|([A-Za-z]\w*))"), _nginx),
    ),
    (
        re.compile(r"%[A-Z][A-Z_0-9]+(?:\([^)]*\))?(?::\d+)?%"),
        Dialect("envoy", "Envoy", re.compile(r"%%|%([A-Z][A-Z_0-9]*)(?:\(([^)]*)\))?(?::\d+)?%"), _envoy),
    ),
    (
        re.compile(r"^\s*(?:error-)?log-format\b|%(?:\{[+-][^}]*\})|%\[|%(?:ci|cp|tr|ST|ft|tsc|HM|HU|HP|TR|Ta|Tt|CC|hr|ac)\b"),
        Dialect("haproxy", "HAProxy", re.compile(r"%%|%(?:\{([^}]*)\})?(?:\[([^\]]*(?:\([^)]*\)[^\]]*)?)\]|([A-Za-z]+))"), _haproxy),
    ),
    (
        re.compile(r"%[<>!,\d]*(?:\{[^}]*\})?[A-Za-z]"),
        Dialect("apache", "Apache", re.compile(r"%%|%[<>!,\d]*(?:\{([^}]*)\})?(?:\^t)?([A-Za-z])"), _apache),
    ),
)  # fmt: skip
"""What a format string shows of its server, asked in this order, and the dialect."""


def _layout(match: re.Match[str]) -> Token:
    return Variable(match[0], match[1], match[2])


LAYOUT = Dialect("layout", "our own", re.compile(rf"\{{(?:([\w:*-]+) )?({'|'.join(KINDS)})\}}"), _layout)
"""How formats of products without a format string are declared: ``{status status}``, ``{client address}``, ``{word}``."""


def dialect_of(text: str) -> Dialect:
    """Whose format string it is.

    Raises:
        ValueError: nobody's that is known.
    """
    for shows, dialect in DIALECTS:
        if shows.search(text):
            return dialect
    raise ValueError(
        "log format: no variable of nginx ($status), Apache (%>s), Envoy (%RESPONSE_CODE%), HAProxy (%ST) or API Gateway ($context.status) in it"
    )


_PARTS = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|(\S+)", re.DOTALL)


def unwrapped(text: str) -> str:
    """The format string of a whole directive as it stands in a configuration; a bare format string stays as it is."""
    stripped = text.strip().rstrip(";").strip()
    if match := re.match(r"log_format\s+\S+\s+(?:escape=\w+\s+)?", stripped):
        parts = _PARTS.findall(stripped[match.end() :])
        return "".join(bare or re.sub(r"\\(['\"\\])", r"\1", single or double) for single, double, bare in parts)
    if match := re.match(r"(?:LogFormat|CustomLog\s+\S+|(?:error-)?log-format)\s+", stripped, re.IGNORECASE):
        first = _PARTS.match(stripped[match.end() :].lstrip())
        if first is not None:
            single, double, bare = first.groups()
            if bare is not None:  # HAProxy: blanks are escaped, nothing is quoted
                return re.sub(r"\\(.)", r"\1", stripped[match.end() :])
            return re.sub(r"\\(['\"\\])", r"\1", single if single is not None else double)
    if (whole := _PARTS.fullmatch(stripped)) and whole[3] is None:
        return re.sub(r"\\(['\"\\])", r"\1", stripped[1:-1])
    return text.strip("\r\n").removesuffix("\\n").replace('\\"', '"')
