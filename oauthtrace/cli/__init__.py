"""The command line: one module a command. Nothing heavy is imported before a command runs."""

import contextlib
import gc
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from oauthtrace import __version__
from oauthtrace.cli.analyze import analyze
from oauthtrace.cli.capture import capture
from oauthtrace.cli.explain import explain
from oauthtrace.cli.ingest import ingest
from oauthtrace.cli.lists import causes, formats
from oauthtrace.cli.rejects import rejects
from oauthtrace.cli.report import report

INTERRUPTED = 130


class _Commands(TyperGroup):
    """Runs a command; what a user can mend is one line on standard error and exit code 2."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Read the program's own options."""
        with _mendable():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """Read a command's options and run it."""
        with _mendable():
            return super().invoke(ctx)


@contextlib.contextmanager
def _mendable() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        text = _line(error)
        if text is None:
            raise
        from oauthtrace.cli.terminal import say  # noqa: PLC0415 - rich only when there is something to say

        say(("error: ", "bold red"), text)
        raise typer.Exit(2) from error


def _line(error: Exception) -> str | None:
    """One line about an error that a user can mend; None of any other, which is a defect."""
    if type(error).__name__ in ("UnreadableInput", "StoreError", "Unusable"):
        return str(error)
    if not hasattr(error, "format_message"):  # what typer raises about wrong usage, wherever it has its classes
        return None
    context = getattr(error, "ctx", None)
    return f"{error.format_message()} See `{context.command_path if context else 'oauthtrace'} -h`."


app = typer.Typer(
    cls=_Commands,
    name="oauthtrace",
    help="Tells why an OAuth 2.0 / OpenID Connect exchange failed, proves it from the traffic, and says what to change.",
    epilog="Begin with: oauthtrace analyze access.log capture.har",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)


def _version(value: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if value:
        typer.echo(f"oauthtrace {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the program itself."""


for command in (analyze, ingest, capture, report, explain, causes, formats, rejects):
    app.command()(command)


def main() -> None:
    """Run the command line; the entry point of the ``oauthtrace`` script."""
    gc.set_threshold(200_000, 50, 100)  # rows live until the frame is made: looking at them over and over finds nothing
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
