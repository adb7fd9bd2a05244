"""From the journal into the database, in short transactions: others can read and write between any two of them."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from oauthtrace.capture import journal
from oauthtrace.store import Store, StoreError

EVERY_S, SHARE, MOST_S = 1.0, 8.0, 10.0
"""Pause between two writes: at least so many seconds, and so many times as long as the last took, up to a limit."""
AGAIN_S = 3.0
"""So long after the database could not be written, it is tried again."""
NICENESS = 5
"""So much the explanations, which the companion's other thread finds, come first."""
LAST_TRIES_S = 10.0
"""So long it is tried at the end; after that the journal stays for the next opening."""


class Writer:
    """A thread that takes a capture's journal in while it is written.

    Args:
        store: the database.
        file: the journal.
        session: names the files of it that are full.
        warn: called with a line when the database can't be written, once for each reason.
    """

    def __init__(self, store: Store, file: Path, session: str, warn: Callable[[str], None]) -> None:
        self._store, self._file, self._session, self._warn = store, file, session, warn
        self._end, self._moving = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._work, name="oauthtrace writer", daemon=True)
        self._said: set[str] = set()

    def start(self, *, has_rows: bool) -> None:
        """Begin, once there is something to take in; a capture without OAuth makes no database."""
        if not self._thread.is_alive() and not self._end.is_set() and (has_rows or self._is_something_there()):
            self._thread.start()

    def _is_something_there(self) -> bool:
        return self._store.path.exists() or any(file != self._file for file in journal.files_of(self._store.path))

    def _work(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # on Linux a thread has a priority of its own
            own = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + NICENESS)
        self._take_in_left_behind()
        cost = 0.0
        while not self._end.wait(min(max(EVERY_S, cost * SHARE), MOST_S)):
            began = time.monotonic()
            failed = self._move() is not None
            cost = time.monotonic() - began
            if failed:
                self._end.wait(AGAIN_S)

    def _take_in_left_behind(self) -> None:
        try:
            self._store.take_in_left_behind()
        except StoreError as error:
            self._say(error)

    def _move(self) -> StoreError | None:
        """Take in what is new, and remove what is finished; why the database can't be written."""
        try:
            with self._moving:
                for file in self._files():
                    self._store.take_in(file)
                    if file != self._file:
                        self._remove(file)
        except StoreError as error:
            self._say(error)
            return error
        return None

    def _files(self) -> list[Path]:
        """The journal's full files, in order, then the one that is being written."""
        full = [file for file in self._file.parent.glob(f"*.{self._session}.*") if file.suffix[1:].isdigit()]
        return [*sorted(full), self._file] if self._file.exists() else sorted(full)

    @staticmethod
    def _remove(file: Path) -> None:
        with journal.owned(file) as is_ours:
            if is_ours:
                file.unlink(missing_ok=True)

    def move_now(self) -> None:
        """Take in what is new, in the caller's thread."""
        self._move()

    def finish(self) -> bool:
        """Take in the rest and remove the journal; false when the database could not be written."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        elif not self._store.path.exists():
            self._remove(self._file)
            return True
        deadline = time.monotonic() + LAST_TRIES_S
        while (error := self._move()) is not None:
            if not error.is_locked or time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        self._remove(self._file)
        return True

    def _say(self, error: StoreError) -> None:
        text = f"{error}; traffic goes on, the journal {self._file} keeps what was seen"
        if text not in self._said:
            self._said.add(text)
            self._warn(text)
