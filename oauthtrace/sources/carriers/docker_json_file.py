r"""Docker's json-file log driver: https://docs.docker.com/engine/logging/drivers/json-file/.

``{"log":"text\\n","stream":"stdout","time":"2026-05-04T10:00:00.123456789Z"}``. A line of more than 16 KiB comes in
pieces; a piece without ``\\n`` at its end goes on in the next one of the same stream.
"""

from __future__ import annotations

from typing import Any

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting, json_values
from oauthtrace.sources.times import to_epoch

NAME = "docker-json-file"
TITLE = "container log of Docker's json-file driver"
WHOLE = r'\\n","stream"'
CLOSED = carriers.JSON_CLOSED


def sniff(head: bytes) -> float:
    return carriers.share(head, peel)


def peel(line: str, setting: Setting) -> list[Inner] | None:
    return json_values.of_line(line, _unwrap, setting)


def _unwrap(value: Any, setting: Setting) -> list[Inner] | None:
    if not isinstance(value, dict) or not isinstance(text := value.get("log"), str) or "stream" not in value:
        return None
    return [
        Inner(
            text.removesuffix("\n"),
            to_epoch(value.get("time"), setting.zone),
            source=str(value["stream"]),
            open=not text.endswith("\n"),
        )
    ]
