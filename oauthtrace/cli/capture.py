"""``oauthtrace capture``: mitmproxy with the addon."""

from __future__ import annotations

import io
import logging
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oauthtrace.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULTS = {
    "connection_strategy": "lazy",  # so that a request is seen in full also where its server can't be reached
}
DEFAULTS_OF_MITMDUMP = {"flow_detail": "0", "termlog_verbosity": "warn"}
"""Options of mitmproxy that are set unless the user names them."""
_VERBOSE = {"-v", "--verbose"}
_PORT_IN_USE = re.compile(r"(?:on |address \(?)['\"]?[^\s'\"]*['\"]?[:,]\s*(\d+)")
SETTLED_S = 1.0
MOST_ERRORS = 10
_TRACE = re.compile(r"Traceback|Stack backtrace")
_NOISY = "mitmproxy.packet_sources.linux"
"""Warns, in local mode, with all types of mitmproxy's program in the kernel where that takes the program without them."""

Arguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="-- MITMPROXY ARGS",
        help="Options of mitmproxy, such as -p 8081 or --mode reverse:https://id.example.com.",
        show_default=False,
    ),
]
Tui = Annotated[bool, typer.Option("--tui", help="With mitmproxy's interface in the terminal.")]
Web = Annotated[bool, typer.Option("--web", help="With mitmproxy's interface in the browser.")]
Host = Annotated[
    list[str] | None,
    typer.Option(
        "--host", metavar="NAME", help="Look only at this host and its subdomains; may be repeated.", show_default=False
    ),
]
Save = Annotated[
    Path | None,
    typer.Option(
        "--save-redacted",
        metavar="FILE.har",
        help="Write what was captured as HAR, without secrets.",
        show_default=False,
    ),
]


def capture(
    arguments: Arguments = None,
    *,
    db: options.NeededDatabase,
    tui: Tui = False,
    web: Web = False,
    host: Host = None,
    save_redacted: Save = None,
) -> None:
    """Capture live traffic with mitmproxy and tell at once why a flow failed.

    Point a browser or program at the proxy (port 8080). Ctrl-C ends it, with a summary of what was seen.
    """
    if tui and web:
        raise typer.BadParameter("one interface at a time: --tui or --web.", param_hint="--tui")
    tool = "mitmproxy" if tui else "mitmweb" if web else "mitmdump"
    try:
        from mitmproxy.tools import main as tools  # noqa: PLC0415 - an extra
    except ImportError:
        _give_up("capture needs mitmproxy: pip install 'oauthtrace[capture]'")
    given = arguments or []
    command = [*_options(tool, given, db, host or [], save_redacted), *given]
    sys.argv = [tool, *command]  # mitmproxy names itself by it in its messages
    _start(getattr(tools, tool), command, holds_output=not tui)


def _options(tool: str, given: list[str], db: Path, hosts: list[str], save_redacted: Path | None) -> list[str]:
    """What mitmproxy is started with besides the user's own arguments."""
    script = Path(__file__).parent.parent / "capture" / "script.py"
    settings = DEFAULTS | (DEFAULTS_OF_MITMDUMP if tool == "mitmdump" else {})
    named = {argument.partition("=")[0].lstrip("-").replace("-", "_") for argument in given}
    named |= {"termlog_verbosity"} if (_VERBOSE | {"-q", "--quiet"}) & set(given) else set()
    pairs = [(name, value) for name, value in settings.items() if name not in named]
    pairs += [("oauthtrace_db", str(db.expanduser())), *(("oauthtrace_hosts", name) for name in hosts)]
    if save_redacted is not None:
        pairs.append(("oauthtrace_save_redacted", str(save_redacted.expanduser())))
    return ["-s", str(script), *(part for name, value in pairs for part in ("--set", f"{name}={value}"))]


def _start(run: Callable[[list[str]], None], command: list[str], *, holds_output: bool) -> None:
    """Run one of mitmproxy's tools; why it could not start is one line."""
    started = _Started()
    logging.getLogger().addHandler(started)
    if not _VERBOSE & set(command):
        logging.getLogger(_NOISY).setLevel(logging.ERROR)
    out, err = _Held(sys.stdout), _Held(sys.stderr)

    def let_out() -> None:
        out.release()
        err.release()

    started.on_start = let_out
    streams = sys.stdout, sys.stderr
    if holds_output:
        sys.stdout, sys.stderr = out, err
    try:
        run(command)
    except SystemExit as error:
        if not error.code or started.has:
            raise
        said = (
            started.errors
            or [line for line in err.text().splitlines() if line.strip()]
            or ["mitmproxy could not start"]
        )
        out.discard()
        err.discard()
        _give_up(_in_one_line(said))
    finally:
        logging.getLogger().removeHandler(started)
        let_out()
        sys.stdout, sys.stderr = streams


def _in_one_line(said: list[str]) -> str:
    """What mitmproxy said of why it could not start."""
    text = said[-1] if said[-1].startswith("mitm") else said[0]
    if "address already in use" in text.lower():
        port = _PORT_IN_USE.search(text)
        named = f"port {port[1]}" if port else "the port"
        return (
            f"{named} is in use; choose another one after --, for example: -- -p {int(port[1]) + 1 if port else 8081}"
        )
    if "linux-redirector" in text:
        return "mitmproxy's local mode did not start; -v after -- shows why"
    return " ".join(_TRACE.split(text)[0].replace("error: ", "").split())[:500]


def _give_up(text: str) -> None:
    from oauthtrace.cli.terminal import say  # noqa: PLC0415 - rich only when there is something to say

    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    say(("error: ", "bold red"), text)
    raise typer.Exit(2)


class _Started(logging.Handler):
    """Hears from mitmproxy's log whether it listens, and what went wrong until then."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.has, self.errors = False, list[str]()
        self.on_start: Callable[[], None] = lambda: None

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR and not self.has and len(self.errors) < MOST_ERRORS:
            self.errors.append(text)
        elif "listening at" in text or text.startswith("Loading flows"):
            self.has = True
            self.on_start()
        elif text.endswith(" started."):  # local mode, which listens nowhere, and may fail a moment later
            timer = threading.Timer(SETTLED_S, lambda: self.errors or self.on_start())
            timer.daemon = True
            timer.start()


class _Held(io.TextIOBase):
    """A stream that holds back what is written until it is released."""

    def __init__(self, stream: io.TextIOBase | object) -> None:
        self._stream: io.TextIOBase = stream  # type: ignore[assignment]
        self._waiting: list[str] | None = []

    def write(self, text: str) -> int:
        """Write, or hold back."""
        if self._waiting is None:
            return self._stream.write(text)
        self._waiting.append(text)
        return len(text)

    def text(self) -> str:
        """What was held back."""
        return "".join(self._waiting or [])

    def discard(self) -> None:
        """Forget what was held back, and all that comes after it."""
        self._waiting, self._stream = [], io.StringIO()

    def release(self) -> None:
        """Write what was held back, and from now on at once."""
        held, self._waiting = self._waiting, None
        if held:
            self._stream.write("".join(held))
            self._stream.flush()

    def flush(self) -> None:
        """As the stream itself."""
        self._stream.flush()

    def isatty(self) -> bool:
        """As the stream itself."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """As the stream itself."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As the stream itself."""
        return self._stream.encoding or "utf-8"
