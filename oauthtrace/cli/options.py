"""Options that several commands share, and how their words are read."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str) -> datetime:
    """A moment as people write it: ISO 8601, a time of today, ``yesterday``, or so long ago (``-3h``). UTC without zone.

    Raises:
        typer.BadParameter: it is none of these.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    word = text.strip().lower()
    named = {"now": now, "today": today, "yesterday": today - timedelta(days=1)}
    if word in named:
        return named[word]
    if match := re.fullmatch(r"-?(\d+(?:\.\d+)?)\s*([smhdw])(?:\s+ago)?", word):
        return now - timedelta(**{_UNITS[match[2]]: float(match[1])})
    try:
        if match := re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d))?", word):
            return today.replace(hour=int(match[1]), minute=int(match[2]), second=int(match[3] or 0))
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write 2026-03-02T09:00, 09:00, yesterday or -3h.") from None
    return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed


def _format(name: str | None) -> str | None:
    if name is None:
        return None
    from oauthtrace.sources.choosing import UnknownName, named  # noqa: PLC0415 - polars only when a format is named

    try:
        named(name)
    except UnknownName as error:
        raise typer.BadParameter(f"{error}.") from error
    return name


def cause_ids(text: str) -> list[str]:
    """The causes and families of a comma-separated list.

    Raises:
        typer.BadParameter: a name that is neither.
    """
    from oauthtrace.causes import causes  # noqa: PLC0415

    names = [name.strip() for name in text.split(",") if name.strip()]
    known = {*causes(), *(cause.family for cause in causes().values())}
    for name in names:
        if name not in known:
            from difflib import get_close_matches  # noqa: PLC0415

            near = get_close_matches(name, known, 1, 0.4)
            raise typer.BadParameter(
                f"no cause or family {name!r}{f'; did you mean {near[0]!r}?' if near else ''}; `oauthtrace causes` lists them."
            )
    return names


def _cause(text: str | None) -> str | None:
    return cause_ids(text)[0] if text else None


def _fail_on(text: str | None) -> str | None:
    if text and text.strip().lower() != "any":
        cause_ids(text)
    return text


_PATHS = typer.Argument(
    metavar="PATH...",
    help="Files, folders, globs, or - for standard input; .gz .zst .bz2 .xz are read as they are.",
    show_default=False,
)
_DATABASE = typer.Option("--db", metavar="FILE", help="DuckDB file that keeps the exchanges.", show_default=False)
Paths = Annotated[list[str] | None, _PATHS]
NeededPaths = Annotated[list[str], _PATHS]
Database = Annotated[Path | None, _DATABASE]
NeededDatabase = Annotated[Path, _DATABASE]
Since = Annotated[
    datetime | None,
    typer.Option(
        parser=moment,
        metavar="TIME",
        help="Only what began at or after this time: 2026-03-02T09:00, 09:00, yesterday, -3h (UTC).",
        show_default=False,
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="TIME", help="Only what began before this time.", show_default=False),
]
Client = Annotated[str | None, typer.Option(metavar="ID", help="Only this client_id.", show_default=False)]
Provider = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only this provider, e.g. keycloak.", show_default=False)
]
Cause = Annotated[
    str | None,
    typer.Option(
        callback=_cause, metavar="CAUSE", help="Only this cause or family, e.g. redirect-uri.", show_default=False
    ),
]
FailOn = Annotated[
    str | None,
    typer.Option(
        callback=_fail_on,
        metavar="CAUSE[,CAUSE]|any",
        help="Exit with 1 when such a failure is found.",
        show_default=False,
    ),
]
InputFormat = Annotated[
    str | None,
    typer.Option(
        callback=_format,
        metavar="NAME",
        help="Format of all inputs, instead of telling it by content: nginx-combined, or with what it comes in, "
        "cri>nginx-combined; see `oauthtrace formats`.",
        show_default=False,
    ),
]
LogFormat = Annotated[
    str | None,
    typer.Option(
        metavar="STRING",
        help="The server's own format string, as in its configuration: nginx log_format, Apache LogFormat, Envoy, HAProxy.",
        show_default=False,
    ),
]
Mapping = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.toml",
        help="Describes a JSON or delimited log that no format knows; see docs/formats.md.",
        show_default=False,
    ),
]
AssumeTz = Annotated[
    str | None,
    typer.Option(
        "--assume-tz",
        metavar="ZONE",
        help="Time zone of times that are written without one, e.g. Europe/Berlin; default UTC.",
        show_default=False,
    ),
]
