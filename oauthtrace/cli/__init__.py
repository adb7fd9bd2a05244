"""The command line: one module a command. Nothing heavy is imported before a command runs."""

import sys
from typing import Annotated, Any

import click
import typer
from typer.core import TyperGroup

from oauthtrace import __version__
from oauthtrace.cli.analyze import analyze
from oauthtrace.cli.explain import explain
from oauthtrace.cli.ingest import ingest
from oauthtrace.cli.lists import causes, formats
from oauthtrace.cli.rejects import rejects
from oauthtrace.cli.report import report

INTERRUPTED = 130


class _Commands(TyperGroup):
    """Runs a command; what a user can mend is one line on standard error and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if type(error).__name__ not in ("UnreadableInput", "StoreError"):
                raise
            from oauthtrace.cli.terminal import say  # noqa: PLC0415

            say(("error: ", "bold red"), str(error))
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Commands,
    name="oauthtrace",
    help="Tells why an OAuth 2.0 / OpenID Connect exchange failed, proves it from the traffic, and says what to change.",
    epilog="Begin with: oauthtrace analyze access.log capture.har",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
    no_args_is_help=True,
)


def _version(value: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if value:
        typer.echo(f"oauthtrace {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    """Options of the program itself."""


for command in (analyze, ingest, report, explain, causes, formats, rejects):
    app.command()(command)


def main() -> None:
    """Run the command line; the entry point of the ``oauthtrace`` script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
