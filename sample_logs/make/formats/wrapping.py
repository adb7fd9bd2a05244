"""Lines of a log as carriers wrap them, each by the documentation that its module in ``oauthtrace/sources/carriers`` cites.

Every function takes lines with the epoch seconds at which each was written, and gives the bytes of a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

Lines = Sequence[tuple[float, str]]
PIECE = 16 * 1024
"""Bytes of a line that Docker and the kubelet's runtimes write at most."""


def iso(at: float, digits: int = 9) -> str:
    """A time as containers write it."""
    whole = datetime.fromtimestamp(int(at), UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{int(at % 1 * 1e6):06d}"[: 20 + min(digits, 6)] + "0" * (digits - 6) + "Z"


def _lines(texts: Sequence[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode("utf-8", "surrogateescape")


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)] or [""]


def docker_json_file(lines: Lines) -> bytes:
    out = []
    for at, text in lines:
        pieces = _pieces(f"{text}\n")
        out += [
            json.dumps({"log": piece, "stream": "stdout", "time": iso(at)}, separators=(",", ":")) for piece in pieces
        ]
    return _lines(out)


def docker_logs(lines: Lines) -> bytes:
    return _lines([f"{iso(at)} {text}" for at, text in lines])


def docker_compose(lines: Lines) -> bytes:
    return _lines([f"gateway-1  | {text}" for _, text in lines])


def cri(lines: Lines) -> bytes:
    out = []
    for at, text in lines:
        *first, last = _pieces(text)
        out += [f"{iso(at)} stdout P {piece}" for piece in first] + [f"{iso(at)} stdout F {last}"]
    return _lines(out)


def kubectl(lines: Lines) -> bytes:
    return _lines([f"[pod/gateway-7c9d5b8f6-x2x7k/nginx] {text}" for _, text in lines])


def stern(lines: Lines) -> bytes:
    return _lines([f"gateway-7c9d5b8f6-x2x7k nginx {text}" for _, text in lines])


def syslog_3164(lines: Lines) -> bytes:
    stamps = (datetime.fromtimestamp(at, UTC) for at, _ in lines)
    return _lines(
        [
            f"<190>{at:%b} {at.day:2d} {at:%H:%M:%S} gw1 nginx[31]: {text}"
            for at, (_, text) in zip(stamps, lines, strict=True)
        ]
    )


def syslog_5424(lines: Lines) -> bytes:
    return _lines([f'<190>1 {iso(at, 6)} gw1 nginx 31 - [origin ip="10.0.3.9"] {text}' for at, text in lines])


def syslog_counted(lines: Lines) -> bytes:
    messages = (f"<190>1 {iso(at, 6)} gw1 nginx 31 - - {text}".encode("utf-8", "surrogateescape") for at, text in lines)
    return b"".join(b"%d %s" % (len(message), message) for message in messages)


def journald_json(lines: Lines) -> bytes:
    return _lines(
        [
            json.dumps(
                {
                    "__REALTIME_TIMESTAMP": str(int(at * 1e6)),
                    "_HOSTNAME": "gw1",
                    "SYSLOG_IDENTIFIER": "nginx",
                    "PRIORITY": "6",
                    "MESSAGE": text,
                }
            )
            for at, text in lines
        ]
    )


def journald_export(lines: Lines) -> bytes:
    out = b""
    for number, (at, text) in enumerate(lines):
        data = text.encode("utf-8", "surrogateescape")
        plain = data.isascii() and all(byte >= 32 or byte == 9 for byte in data)
        message = b"MESSAGE=%s\n" % data if plain else b"MESSAGE\n%s%s\n" % (len(data).to_bytes(8, "little"), data)
        out += b"__CURSOR=s=1;i=%d\n__REALTIME_TIMESTAMP=%d\n_HOSTNAME=gw1\nSYSLOG_IDENTIFIER=nginx\n%s\n" % (
            number,
            int(at * 1e6),
            message,
        )
    return out


def logfmt(lines: Lines) -> bytes:
    return _lines([f"time={iso(at, 3)} level=info source=stdout msg={json.dumps(text)}" for at, text in lines])


def ecs_json(lines: Lines) -> bytes:
    return _lines(
        [
            json.dumps(
                {"@timestamp": iso(at, 3), "ecs": {"version": "8.17.0"}, "host": {"name": "gw1"}, "message": text}
            )
            for at, text in lines
        ]
    )


def elasticsearch(lines: Lines) -> bytes:
    hits = [
        {"_index": "logs", "_id": str(n), "_source": {"@timestamp": iso(at, 3), "message": text}}
        for n, (at, text) in enumerate(lines)
    ]
    return json.dumps(
        {"took": 3, "timed_out": False, "hits": {"total": {"value": len(hits), "relation": "eq"}, "hits": hits}}
    ).encode()


def otlp_json(lines: Lines) -> bytes:
    out = []
    for first in range(0, len(lines), 3):
        records = [
            {"timeUnixNano": f"{int(at * 1e6)}000", "severityText": "INFO", "body": {"stringValue": text}}
            for at, text in lines[first : first + 3]
        ]
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "gateway"}}]}
        out.append(
            json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": {}, "logRecords": records}]}]})
        )
    return _lines(out)


def otlp_http(lines: Lines) -> bytes:
    """Records whose HTTP attributes are the exchange; the body says little."""
    records = []
    for at, text in lines:
        method, _, rest = text.partition('"')[2].partition(" ")
        url, status = rest.partition(" ")[0], rest.partition('" ')[2][:3]
        attributes = [
            {"key": "http.request.method", "value": {"stringValue": method}},
            {"key": "url.full", "value": {"stringValue": f"https://id.acme.test{url}"}},
            {"key": "http.response.status_code", "value": {"intValue": status}},
        ]
        records.append(
            {"timeUnixNano": f"{int(at * 1e6)}000", "body": {"stringValue": "request"}, "attributes": attributes}
        )
    return json.dumps({"resourceLogs": [{"resource": {}, "scopeLogs": [{"logRecords": records}]}]}, indent=1).encode()


def cloudwatch(lines: Lines) -> bytes:
    events = [
        {
            "logStreamName": "gw/1",
            "timestamp": int(at * 1000),
            "message": text,
            "ingestionTime": int(at * 1000) + 900,
            "eventId": str(n),
        }
        for n, (at, text) in enumerate(lines)
    ]
    return json.dumps({"events": events, "searchedLogStreams": []}, indent=4).encode()


def cloudwatch_subscription(lines: Lines) -> bytes:
    out = b""
    for first in range(0, len(lines), 5):
        events = [
            {"id": str(n), "timestamp": int(at * 1000), "message": text}
            for n, (at, text) in enumerate(lines[first : first + 5])
        ]
        head = {
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": "gw",
            "logStream": "gw/1",
            "subscriptionFilters": ["all"],
        }
        out += json.dumps(head | {"logEvents": events}).encode()
    return out


def cloudwatch_insights(lines: Lines) -> bytes:
    results = [
        [
            {"field": "@timestamp", "value": iso(at, 3).replace("T", " ")[:-1]},
            {"field": "@message", "value": text},
            {"field": "@ptr", "value": "x"},
        ]
        for at, text in lines
    ]
    return json.dumps(
        {"queryLanguage": "CWLI", "results": results, "statistics": {"recordsMatched": 1.0}, "status": "Complete"}
    ).encode()


def cloudwatch_s3(lines: Lines) -> bytes:
    return _lines([f"{iso(at, 3)} {text}" for at, text in lines])


def lambda_text(lines: Lines) -> bytes:
    request = "8f5b1c3e-2f6a-4d0e-9a51-0c6f3a7e1b22"
    inner = [f"{iso(at, 3)}\t{request}\tINFO\t{text}" for at, text in lines]
    return _lines([f"START RequestId: {request} Version: $LATEST", *inner, f"END RequestId: {request}"])


def splunk_json(lines: Lines) -> bytes:
    return _lines(
        [
            json.dumps(
                {
                    "preview": False,
                    "result": {
                        "_raw": text,
                        "_time": iso(at, 3)[:-1] + "+00:00",
                        "host": "gw1",
                        "source": "/var/log/a",
                    },
                }
            )
            for at, text in lines
        ]
    )


def loki(lines: Lines) -> bytes:
    values = [[f"{int(at * 1e6)}000", text] for at, text in lines]
    stream = {"stream": {"app": "gateway"}, "values": values}
    return json.dumps(
        {"status": "success", "data": {"resultType": "streams", "result": [stream], "stats": {}}}
    ).encode()


def logcli(lines: Lines) -> bytes:
    return _lines([f'{iso(at)} {{app="gateway", pod="gw-1"}} {text}' for at, text in lines])


def datadog(lines: Lines) -> bytes:
    data = [
        {
            "id": str(n),
            "type": "log",
            "attributes": {"message": text, "timestamp": iso(at, 3), "status": "info", "host": "gw1", "attributes": {}},
        }
        for n, (at, text) in enumerate(lines)
    ]
    return json.dumps({"data": data, "meta": {"elapsed": 12}}).encode()


def fluentd(lines: Lines) -> bytes:
    return _lines(
        [
            f"{iso(at, 3)[:-5]}+00:00\tkube.gateway\t{json.dumps({'log': text, 'stream': 'stdout'})}"
            for at, text in lines
        ]
    )


WRAPPERS: dict[str, tuple[str, Callable[[Lines], bytes]]] = {
    "docker-json-file.log": ("docker-json-file", docker_json_file),
    "docker-logs.log": ("docker-logs", docker_logs),
    "docker-compose.log": ("docker-compose", docker_compose),
    "cri.log": ("cri", cri),
    "kubectl.log": ("kubectl", kubectl),
    "kubectl.stern.log": ("kubectl", stern),
    "syslog.log": ("syslog", syslog_3164),
    "syslog.rfc5424.log": ("syslog", syslog_5424),
    "syslog.counted.log": ("syslog", syslog_counted),
    "journald-json.log": ("journald-json", journald_json),
    "journald-export.log": ("journald-export", journald_export),
    "logfmt.log": ("logfmt", logfmt),
    "ecs-json.log": ("ecs-json", ecs_json),
    "ecs-json.search.json": ("ecs-json", elasticsearch),
    "otlp-json.log": ("otlp-json", otlp_json),
    "cloudwatch.json": ("cloudwatch", cloudwatch),
    "cloudwatch.subscription.json": ("cloudwatch", cloudwatch_subscription),
    "cloudwatch.insights.json": ("cloudwatch", cloudwatch_insights),
    "cloudwatch.s3.log": ("cloudwatch", cloudwatch_s3),
    "lambda.log": ("lambda", lambda_text),
    "splunk-json.log": ("splunk-json", splunk_json),
    "loki.json": ("loki", loki),
    "loki.logcli.log": ("loki", logcli),
    "datadog.json": ("datadog", datadog),
    "fluentd.log": ("fluentd", fluentd),
}
"""Name of the sample -> the carrier, and what wraps lines in it."""


def written(texts: Sequence[str], first: float = 1_777_888_800.25) -> Lines:
    """Lines with the moments at which they were written, a fraction of a second apart."""
    start = datetime.fromtimestamp(first, UTC)
    return [((start + timedelta(milliseconds=370 * n)).timestamp(), text) for n, text in enumerate(texts)]
