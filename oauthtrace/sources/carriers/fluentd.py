"""Files written by fluentd and Fluent Bit: https://docs.fluentd.org/output/file.

``2026-05-04T10:00:00+00:00<TAB>tag<TAB>{"log":"line","stream":"stdout"}``; the line is in ``log``, ``message`` or ``msg``.
"""

from __future__ import annotations

import json
import re

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting
from oauthtrace.sources.times import to_epoch

NAME = "fluentd"
TITLE = "file output of fluentd and Fluent Bit"
CLOSED = carriers.JSON_CLOSED
_LINE = re.compile(r"^(\S+ ?\S*?)\t([\w.*/-]+)\t(\{.*\})\s*$", re.DOTALL)
_BIT = re.compile(r"^([\w.*/-]+): \[(\d{9,10}\.\d+), (\{.*\})\]\s*$", re.DOTALL)


def sniff(head: bytes) -> float:
    return carriers.share(head, peel)


def peel(line: str, setting: Setting) -> list[Inner] | None:
    if match := _LINE.match(line):
        stamp, tag, text = match.groups()
    elif match := _BIT.match(line):
        tag, stamp, text = match.groups()
    else:
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    line = next((data[name] for name in ("log", "message", "msg") if isinstance(data.get(name), str)), text)
    zoned = stamp[-1] == "Z" or stamp[-6:-5] in ("+", "-") or stamp[0:10].isdigit()
    return [Inner(line.rstrip("\n"), to_epoch(stamp, setting.zone), zoned, f"{tag} {data.get('stream', '')}")]
