"""Kubernetes' container log files, as containerd and CRI-O write them.

https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md:
``2026-05-04T10:00:00.123456789+02:00 stdout F text``; a line with ``P`` goes on in the next of the same stream.
"""

from __future__ import annotations

import re

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting
from oauthtrace.sources.times import to_epoch

NAME = "cri"
TITLE = "container log of Kubernetes (containerd, CRI-O)"
WHOLE = r"^\S+ std(?:out|err) F"
_LINE = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (?P<stream>stdout|stderr) (?P<tag>[FP])(?::\S*)?(?: (?P<text>.*))?$",
    re.DOTALL,
)


def sniff(head: bytes) -> float:
    return carriers.share(head, peel)


def peel(line: str, _: Setting) -> list[Inner] | None:
    match = _LINE.match(line)
    if match is None:
        return None
    return [Inner(match["text"] or "", to_epoch(match["time"]), source=match["stream"], open=match["tag"] == "P")]
