"""What reaches the terminal: text made harmless, two consoles, progress only where somebody looks."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPE_WIDTH = 120
"""Columns of what goes to a file or a pipe."""

_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters: ANSI escapes begin with one
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # direction and what has no width
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff"  # halves of characters, which no terminal can show
    "\U000e0000-\U000e007f]"  # tags: invisible text
)


def safe(text: object) -> str:
    """A text from a log as it may be shown: what could steer the terminal or hide is written as an escape.

    >>> safe("ok" + chr(27) + "[31m")
    'ok\\\\x1b[31m'
    """
    return _HARMFUL.sub(_escape, str(text))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] in "\n\t\r":
        return " "
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


@cache
def console(*, stderr: bool = False) -> Console:
    """The console of data (standard output) or of everything else (standard error). Honours ``NO_COLOR``."""
    from rich.console import Console  # noqa: PLC0415 - only when something is printed

    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)


def words(*parts: str | tuple[str, str]) -> Text:
    """One text of parts, each plain or with its style, all of them made harmless."""
    from rich.text import Text  # noqa: PLC0415

    text = Text()
    for part in parts:
        content, style = part if isinstance(part, tuple) else (part, "")
        text.append(safe(content), style or None)
    return text


def show(*parts: str | tuple[str, str], indent: int = 0) -> None:
    """Print one paragraph to standard output, wrapped to the width, all lines indented."""
    from rich.padding import Padding  # noqa: PLC0415

    console().print(Padding(words(*parts), (0, 0, 0, indent)) if indent else words(*parts))


def say(*parts: str | tuple[str, str]) -> None:
    """Print one line to standard error, however long it is."""
    console(stderr=True).print(words(*parts), soft_wrap=True)


def emit(text: str) -> None:
    """Write data to standard output as it is."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


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
