"""What reaches the terminal: text made harmless, two consoles, progress only where somebody looks."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console
    from rich.text import Text

PIPE_WIDTH = 100
"""Columns of what goes to a file or a pipe."""

LONGEST = 2000
"""Characters of one text that are shown at most."""


def safe(text: object) -> str:
    """A text from a log as it may be shown: what could steer the terminal, reorder it or hide in it is written out.

    >>> safe("ok" + chr(27) + "[31m")
    'ok⟨U+001B⟩[31m'
    """
    from oauthtrace.report.visible import visible  # noqa: PLC0415 - only when something is printed

    return visible(text, LONGEST)


@cache
def console(*, stderr: bool = False) -> Console:
    """The console of data (standard output) or of everything else (standard error). Honours ``NO_COLOR``."""
    from rich.console import Console  # noqa: PLC0415 - only when something is printed

    class Quiet(Console):
        """A console whose reader may go away (``| head``): that is no failure."""

        def on_broken_pipe(self) -> None:
            _leave_quietly()

    made = Quiet(stderr=stderr, highlight=False, markup=False, emoji=False)
    return (
        made if made.is_terminal else Quiet(stderr=stderr, highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)
    )


def _leave_quietly() -> NoReturn:
    """End the program after the reader of standard output has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


def words(*parts: str | tuple[str, str]) -> Text:
    """One text of parts, each plain or with its style, all of them made harmless."""
    from rich.text import Text  # noqa: PLC0415

    text = Text()
    for part in parts:
        content, style = part if isinstance(part, tuple) else (part, "")
        text.append(safe(content), style or None)
    return text


def show(*parts: str | tuple[str, str], indent: int = 0) -> None:
    """Print one paragraph to standard output, wrapped to the width, every line indented."""
    if not indent:
        console().print(words(*parts))
        return
    for line in words(*parts).wrap(console(), max(console().width - indent, 20)):
        console().print(words(" " * indent).append_text(line), soft_wrap=True)


def say(*parts: str | tuple[str, str]) -> None:
    """Print one line to standard error, however long it is."""
    console(stderr=True).print(words(*parts), soft_wrap=True)


def emit(text: str) -> None:
    """Write data to standard output as it is."""
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _leave_quietly()


def rows(header: Iterable[str], lines: Iterable[Iterable[str]]) -> None:
    """Print a plain table: aligned columns, no frame; the last column takes what width is left."""
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in header:
        table.add_column(name, overflow="fold")
    for line in lines:
        table.add_row(*(words(cell) for cell in line))
    console().print(table)


@contextlib.contextmanager
def progress(files: Iterable[str]) -> Iterator[Callable[[str, int], None] | None]:
    """A progress bar on standard error while inputs are read; None where nobody looks."""
    if not console(stderr=True).is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    sizes = {file: Path(file).stat().st_size for file in files if file != "-" and Path(file).is_file()}
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=sum(sizes.values()) or None)
        read: dict[str, int] = {}

        def update(file: str, size: int) -> None:
            read[file] = min(size, sizes.get(file, size))
            bar.update(task, completed=sum(read.values()), description=safe(Path(file).name[:30]))

        yield update
