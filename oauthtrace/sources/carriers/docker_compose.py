"""What ``docker compose logs`` prints: https://docs.docker.com/reference/cli/docker/compose/logs/.

``gateway-1  | text``: the service's name, blanks up to the longest one, a bar; with colours on a terminal.
"""

from __future__ import annotations

import re

from oauthtrace.sources import carriers, lines_of
from oauthtrace.sources.carriers import Inner, Setting

NAME = "docker-compose"
TITLE = "output of docker compose up or logs"
_LINE = re.compile(
    r"^(?:\x1b\[[\d;]*m)*(?P<service>[A-Za-z0-9][\w.-]*)[ \t]*(?:\x1b\[[\d;]*m)*[ \t]*\| ?(?:\x1b\[0m)?(?P<text>.*)$",
    re.DOTALL,
)
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


def sniff(head: bytes) -> float:
    found = carriers.share(head, peel)
    names = {match["service"] for line in lines_of(head) if (match := _LINE.match(line))}
    replicas = any(re.search(r"[-_]\d+$", name) for name in names)
    return found if replicas else 0.4 * found


def peel(line: str, _: Setting) -> list[Inner] | None:
    match = _LINE.match(line)
    return [Inner(_COLOUR.sub("", match["text"]), source=match["service"])] if match else None
