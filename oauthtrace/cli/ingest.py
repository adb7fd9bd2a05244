"""``oauthtrace ingest``: take in what is new, once or as it comes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oauthtrace.cli import options

if TYPE_CHECKING:
    from oauthtrace.sources import Reading
    from oauthtrace.sources.choosing import How
    from oauthtrace.store import Store

Follow = Annotated[
    bool,
    typer.Option(
        "--follow",
        "-f",
        help="Keep reading as files grow, rotate and appear, and standard input while it lasts. Ctrl-C ends it.",
    ),
]


def ingest(
    paths: options.NeededPaths,
    *,
    db: options.NeededDatabase,
    follow: Follow = False,
    input_format: options.InputFormat = None,
    log_format: options.LogFormat = None,
    mapping: options.Mapping = None,
    assume_tz: options.AssumeTz = None,
) -> None:
    """Take what is new in captures and logs into a database.

    Reading a file again adds nothing; of a log that has grown only the new lines are read, also after it was rotated.
    """
    from oauthtrace.cli.analyze import complain, say_passed_over  # noqa: PLC0415 - polars only when there is work
    from oauthtrace.cli.terminal import progress  # noqa: PLC0415
    from oauthtrace.sources import opening  # noqa: PLC0415
    from oauthtrace.sources.user import as_described  # noqa: PLC0415
    from oauthtrace.store import Store  # noqa: PLC0415

    how = as_described(input_format, log_format, mapping, assume_tz)
    if follow:
        with Store(db) as store:
            _follow(store, paths, how)
        return
    passed_over: list[str] = []
    files = list(opening.expand(paths, passed_over))
    say_passed_over(passed_over)
    with progress(files) as update, Store(db) as store:
        readings = store.ingest(files, how=how, progress=update)
        read_any = complain(readings, files)
        _show(store, readings)
    if not read_any:
        raise typer.Exit(2)


def _show(store: Store, readings: list[Reading]) -> None:
    """Print one line an input, and the sum."""
    from oauthtrace.cli.summary import input_rows  # noqa: PLC0415
    from oauthtrace.cli.terminal import show  # noqa: PLC0415

    held = sum(reading.exchanges for reading in store.inputs())
    input_rows(readings, added=True)
    show((f"{sum(r.added for r in readings):,} new exchanges", "bold"), f", {held:,} in {store.path}")


# --- as it comes ------------------------------------------------------------------------------------------------------


def _follow(store: Store, paths: list[str], how: How) -> None:
    """Take in what comes until Ctrl-C, SIGTERM, or the end of standard input where nothing else is followed."""
    from oauthtrace.cli.terminal import say  # noqa: PLC0415
    from oauthtrace.sources import waiting  # noqa: PLC0415
    from oauthtrace.store import StoreError  # noqa: PLC0415

    taken = _Taken(store, paths, how)
    with _ended_by_signals() as stop, waiting.spooled(paths) as spool:
        taken.more()
        for path in paths:
            if not _files([path]):
                say(("not there yet: ", "bold yellow"), path)
        say(("following; Ctrl-C ends", "dim"))
        brought = spool.more if spool else lambda: False
        for _ in waiting.changes(paths, stop, is_own=store.is_own, more=brought):
            try:
                taken.more()
            except StoreError as error:  # another process writes: what is new stays where it is until the next look
                say(("waiting: ", "bold yellow"), str(error))
            if set(paths) == {"-"} and spool is not None and spool.ended and not spool.more():
                break
        if spool is not None:
            taken.more()
    _show(store, [reading for reading in taken.last.values() if reading.records or reading.rejected])


@dataclass(slots=True)
class _Taken:
    """What was taken in since following began: the last reading of each input, with all that it added."""

    store: Store
    paths: list[str]
    how: How
    last: dict[str, Reading] = field(default_factory=dict)

    def more(self) -> None:
        """Take in what is new, and say what came."""
        from oauthtrace.cli.terminal import say  # noqa: PLC0415

        for reading in self.store.ingest(_files(self.paths), how=self.how):
            key = reading.origin or reading.file  # a rotated log is the same one under another name
            if reading.added:
                now = datetime.now().astimezone()
                say((f"{now:%H:%M:%S}", "dim"), f"  {Path(reading.file).name}  {reading.added:,} new")
            reading.added += self.last[key].added if key in self.last else 0
            self.last[key] = reading


def _files(paths: list[str]) -> list[str]:
    """What there is of some paths now."""
    from oauthtrace.sources import opening  # noqa: PLC0415

    found: list[str] = []
    for path in paths:
        try:
            found += opening.expand([path])
        except opening.UnreadableInput:
            continue  # not there yet
    return found


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets, so that what is being taken in is finished; the second one interrupts."""
    stop = threading.Event()

    def end(number: int, _: Any) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
