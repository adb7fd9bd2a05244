"""What a user says of inputs, read: names of formats, a server's format string, a mapping of keys, a time zone."""

from __future__ import annotations

from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from oauthtrace.sources import Format, log_format
from oauthtrace.sources.choosing import How, UnknownName, named
from oauthtrace.sources.mapping import BadMapping, read_mapping


class Unusable(Exception):  # noqa: N818 - it names what is wrong, as users read it
    """Something said of the inputs that can't be used; the message names it, the reason and the remedy in one line."""


def as_described(
    input_format: str | None = None,
    text: str | None = None,
    mapping: str | Path | None = None,
    assume_tz: str | None = None,
) -> How:
    """How inputs are to be read.

    Args:
        input_format: ``nginx-combined``, or with carriers ``cri>nginx-combined``.
        text: format string of nginx, Apache, Envoy or HAProxy.
        mapping: TOML file, see :mod:`oauthtrace.sources.mapping`.
        assume_tz: of times that are written without a zone: ``Europe/Berlin``, ``UTC``.

    Raises:
        Unusable: one of them is none.
    """
    own: list[Format] = []
    try:
        if text is not None:
            own.append(log_format.compile_format(text))
        if mapping is not None:
            own.append(read_mapping(Path(mapping)))
        if input_format is not None:
            named(input_format, tuple(own))
    except (UnknownName, BadMapping) as error:
        raise Unusable(str(error)) from error
    except ValueError as error:
        raise Unusable(f"log format {text!r}: {error}") from error
    return How(input_format, zone_of(assume_tz) if assume_tz else UTC, tuple(own))


def zone_of(name: str) -> tzinfo:
    """The time zone of a name of the tz database.

    Raises:
        Unusable: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise Unusable(
            f"no time zone {name!r}; write it as the tz database does: Europe/Berlin, America/New_York, UTC"
        ) from error
