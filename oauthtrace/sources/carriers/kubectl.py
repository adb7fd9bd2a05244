"""Lines of several pods: ``kubectl logs --prefix`` and stern.

https://kubernetes.io/docs/reference/kubectl/generated/kubectl_logs/: ``[pod/web-7c9d5/gateway] text``.
https://github.com/stern/stern: ``web-7c9d5b8f6-x2x7k gateway text``; the pod's name ends as Kubernetes ends it.
"""

from __future__ import annotations

import re

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting

NAME = "kubectl"
TITLE = "output of kubectl logs --prefix or stern"
_PREFIX = re.compile(r"^\[(pod/[a-z0-9.-]+/[a-z0-9.-]+)\] ?(.*)$", re.DOTALL)
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_STERN = re.compile(
    r"^(?:[a-z0-9-]+ )?([a-z0-9][a-z0-9.-]*-(?:[a-z0-9]{5,10}-[bcdfghjklmnpqrstvwxz2456789]{5}|\d{1,3}) [a-z0-9][a-z0-9-]*) (.*)$",
    re.DOTALL,
)


def sniff(head: bytes) -> float:
    return carriers.share(head, peel)


def peel(line: str, _: Setting) -> list[Inner] | None:
    plain = _COLOUR.sub("", line) if line.startswith("\x1b") else line
    match = _PREFIX.match(plain) or _STERN.match(plain)
    return [Inner(match[2], source=match[1])] if match else None
