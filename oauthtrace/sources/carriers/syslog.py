"""Syslog (https://www.rfc-editor.org/rfc/rfc5424): RFC 3164, RFC 5424, what rsyslog and syslog-ng write to files, and ``journalctl -o short`` / ``short-iso``.

``<134>May  4 10:00:00 gw1 nginx[31]: text``, ``<134>1 2026-05-04T10:00:00.123Z gw1 nginx 31 - - text``, also without
``<134>``, with RFC 3339 times, and framed by a count of bytes (RFC 6587 section 3.4.1). RFC 3164 times have no year and no
zone: the year is that of the input's last change, or the one before where that would be in the future. rsyslog writes
control characters as ``#012``, and a second blank in front of what came to it by RFC 3164.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting
from oauthtrace.sources.times import to_epoch, yearless

NAME = "syslog"
TITLE = "syslog: RFC 3164, RFC 5424, rsyslog's files, journalctl -o short and short-iso"
CLOSED = r"#0[0-3][0-7]"
_NEW = re.compile(
    r"^<\d{1,3}>1 (?P<time>-|\d{4}-\d\d-\d\dT\S+) (?P<host>\S+) (?P<app>\S+) (?P<pid>\S+) \S+ "
    r'(?P<data>-|(?:\[[^\s=\]"]+(?: [^\s=\]"]+="(?:[^"\\\]]|\\.)*")*\])+)(?: {1,2}(?:\ufeff)?(?P<text>.*))?$',
    re.DOTALL,
)
_OLD = re.compile(
    r"^(?:<\d{1,3}>)?(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})?|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)) "
    r"(?!(?i:trace|debug|info|notice|warn|warning|error|fatal|critical|severe)\b)(?P<host>[\w.:-]+) (?P<app>[^\s:\[]{1,64})(?:\[(?P<pid>[\w.-]*)\])?: ?(?P<text>.*)$",
    re.DOTALL,
)
_FRAME = re.compile(rb"^(\d{1,7}) (?=<\d{1,3}>)")
_CONTROL = re.compile(r"#(0[0-3][0-7])")


def sniff(head: bytes) -> float:
    if is_document(head):
        return 1.0
    return carriers.share(head, peel)


def peel(line: str, setting: Setting) -> list[Inner] | None:
    match = _NEW.match(line) or _OLD.match(line)
    if match is None:
        return None
    stamp = match["time"]
    zoned = stamp[0].isdigit()
    time = None if stamp == "-" else to_epoch(stamp) if zoned else yearless(stamp, setting.latest, setting.zone)
    text = match["text"] or ""
    if "#0" in text:
        text = _CONTROL.sub(lambda m: chr(int(m[1], 8)), text)
    return [Inner(text, time, zoned, f"{match['host']} {match['app']} {match['pid'] or ''}")]


# --- counted bytes -----------------------------------------------------------------------------------------------------


def is_document(head: bytes) -> bool:
    """Whether each message has the count of its bytes in front: the second one stands where the first one's count says."""
    match = _FRAME.match(head)
    if match is None:
        return False
    end = match.end() + int(match[1])
    rest = head[end:].lstrip(b"\n")
    return not rest or _FRAME.match(rest) is not None


def records(stream: BinaryIO, setting: Setting) -> Iterator[Inner]:
    """Messages with the count of their bytes in front; what is out of step is read as lines."""
    data = b""
    while True:
        data = data.lstrip(b"\n")
        if len(data) < _AHEAD and (more := stream.read(_AHEAD)):
            data += more
            continue
        if not data:
            return
        match = _FRAME.match(data)
        if match is not None:
            end = match.end() + int(match[1])
            while len(data) < end and (more := stream.read(_AHEAD)):
                data += more
            raw, data = data[match.end() : end], data[end:]
        else:
            while b"\n" not in data and (more := stream.read(_AHEAD)):
                data += more
            raw, _, data = data.partition(b"\n")
        text = raw.decode("utf-8", "replace").rstrip("\n")
        yield from peel(text, setting) or [Inner(text)]


_AHEAD = 1 << 16
