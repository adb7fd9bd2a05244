"""Waiting for what is new: of files that grow, rotate and appear, and of standard input that is still being written."""

from __future__ import annotations

import contextlib
import glob
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from oauthtrace.sources import opening
from oauthtrace.sources.intake import LIVE_S

TOGETHER_MS = 400
"""Changes that follow each other so closely are one."""
LOOK_S = 1.0
"""So often standard input and the time are looked at."""
_PIECE_BYTES = 1 << 16
_FDS = Path("/proc/self/fd")
"""Where a file that has no name any more can be opened again, so that nothing is left behind however the program ends."""


def changes(
    paths: Iterable[str], stop: threading.Event, *, is_own: Callable[[str], bool], more: Callable[[], bool]
) -> Iterator[None]:
    """Something each time there may be news in some paths, until ``stop`` is set.

    Once after the last change it also comes when LIVE_S have passed, since only then a last line without its end counts
    as whole.

    Args:
        paths: files, folders and globs; what does not exist yet is waited for.
        stop: ends it.
        is_own: whether a changed file is none of theirs.
        more: whether standard input has brought something since it was asked last.
    """
    from watchfiles import watch  # noqa: PLC0415 - only where something is followed

    folders, deep = _watched([path for path in paths if path != "-"])
    seen: Iterator[object] = (
        watch(
            *folders,
            watch_filter=lambda _, file: not is_own(file),
            debounce=TOGETHER_MS,
            stop_event=stop,
            rust_timeout=int(LOOK_S * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
            recursive=deep,
            ignore_permission_denied=True,
        )
        if folders
        else _ticks(stop)
    )
    quiet_since: float | None = time.monotonic()
    for count, changed in enumerate(seen):
        if changed or more() or not count:  # what came before the watching began has to be looked for once
            quiet_since = time.monotonic()
            yield
        elif quiet_since is not None and time.monotonic() - quiet_since > LIVE_S:
            quiet_since = None
            yield


def _ticks(stop: threading.Event) -> Iterator[object]:
    while not stop.wait(LOOK_S):
        yield None


def _watched(paths: list[str]) -> tuple[list[Path], bool]:
    """The folders to be watched, and whether those inside of them too."""
    folders, deep = set(), False
    for path in paths:
        place = Path(path)
        if place.is_dir():
            deep = True
        elif glob.has_magic(path) and not place.exists():
            parts = place.parts
            fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
            place, deep = Path(*parts[:fixed]), deep or fixed < len(parts) - 1
        else:
            place = place.parent
        while not place.is_dir() and place != place.parent:
            place = place.parent
        folders.add(place.resolve())
    return sorted(folders), deep


class Spool:
    """Standard input, copied to a temporary file as it comes, so that it can be read like any growing file."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._told = self._written = 0
        self.file = ""
        self.ended = False

    @contextlib.contextmanager
    def __call__(self) -> Iterator[Spool]:
        """While this lasts, ``-`` is the file."""
        with tempfile.TemporaryFile() if _FDS.is_dir() else tempfile.NamedTemporaryFile() as file:
            self.file = str(_FDS / str(file.fileno())) if _FDS.is_dir() else str(file.name)
            copying = threading.Thread(target=self._copy, args=(Path(self.file),), daemon=True)
            copying.start()
            opening.standard_input = self
            try:
                yield self
            finally:
                opening.standard_input = None

    def _copy(self, file: Path) -> None:
        read = getattr(self._source, "read1", self._source.read)
        with file.open("ab", buffering=0) as out:
            while data := read(_PIECE_BYTES):
                out.write(data)
                self._written += len(data)
        self.ended = True

    def more(self) -> bool:
        """Whether something came since this was asked last."""
        told, self._told = self._told, self._written
        return self._told > told


@contextlib.contextmanager
def spooled(paths: Iterable[str]) -> Iterator[Spool | None]:
    """Standard input as a growing file while this lasts, where it is among some paths; else None."""
    if "-" not in paths:
        yield None
        return
    with Spool(sys.stdin.buffer)() as spool:
        yield spool
