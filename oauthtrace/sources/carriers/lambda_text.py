"""Text logs of AWS Lambda: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html.

Node writes ``time<TAB>request id<TAB>LEVEL<TAB>text``, Python ``[LEVEL]<TAB>time<TAB>request id<TAB>text``; START, END and
REPORT frame each call and say nothing of OAuth.
"""

from __future__ import annotations

import re

from oauthtrace.sources import carriers, lines_of
from oauthtrace.sources.carriers import Inner, Setting
from oauthtrace.sources.times import to_epoch

NAME = "lambda"
TITLE = "text log of AWS Lambda"
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_LINE = re.compile(
    rf"^(?:({_TIME})\t(?:{_ID}|undefined)\t([A-Z]+)\t(.*)|\[([A-Z]+)\]\t({_TIME})\t(?:{_ID})?\t(.*))$", re.DOTALL
)
_FRAME = re.compile(rf"^(?:START|END|REPORT|INIT_START|XRAY)(?: RequestId: {_ID}| Runtime Version)")


def sniff(head: bytes) -> float:
    first = lines_of(head)
    return carriers.share(head, peel) if any(_LINE.match(line) for line in first) else 0.0


def peel(line: str, _: Setting) -> list[Inner] | None:
    if _FRAME.match(line):
        return []
    match = _LINE.match(line)
    if match is None:
        return None
    stamp, level, text = match.group(1, 2, 3) if match[1] else match.group(5, 4, 6)
    return [Inner(text, to_epoch(stamp), level=level)]
