"""What ``docker logs --timestamps`` prints: https://docs.docker.com/reference/cli/docker/container/logs/.

``2026-05-04T10:00:00.123456789Z text``: nine digits of a second, always UTC.
"""

from __future__ import annotations

import re

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting
from oauthtrace.sources.times import to_epoch

NAME = "docker-logs"
TITLE = "output of docker logs --timestamps"
SOFT = True
_LINE = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (?!std(?:out|err) [FP])(.*)$", re.DOTALL)


def sniff(head: bytes) -> float:
    return carriers.share(head, peel)


def peel(line: str, _: Setting) -> list[Inner] | None:
    match = _LINE.match(line)
    return [Inner(match[2], to_epoch(match[1]))] if match else None
