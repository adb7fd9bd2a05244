"""The addon: mitmproxy's events, options and commands. What it observes it does not disturb.

Each event does what cannot wait (recognise, redact, append to the journal) and no more. See
https://docs.mitmproxy.org/stable/api/events.html for when each is called.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import os
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from mitmproxy import command, ctx, exceptions, flow, hooks, http, types
from mitmproxy.log import ALERT
from mitmproxy.proxy.mode_servers import WireGuardServerInstance

from oauthtrace.capture import journal, ui
from oauthtrace.capture.har import RedactedHar
from oauthtrace.capture.link import Companion, Message
from oauthtrace.capture.recorder import Recorder, warm_up
from oauthtrace.privacy import Redactor, key_check, load_key

MARK = ":red_circle:"
MOST_OPEN = 10_000
"""So many requests may wait for their answers; the oldest beyond that are taken to have none."""
MOST_FINDINGS = 1000
MOST_TOGETHER = 16
"""So many flows at most are kept one right after another, while everything else waits."""
_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - how it is told, not what is bound
_HINT = "the client does not trust the proxy's certificate, so nothing of this connection is seen; docs/capture.md tells how it does"

log = logging.getLogger(__name__)


class OAuthTrace:
    """Captures OAuth exchanges, and tells in mitmproxy's own interface why a flow failed."""

    def __init__(self) -> None:
        self._recorder: Recorder | None = None
        self._companion: Companion | None = None
        self._har: RedactedHar | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._open: dict[http.HTTPFlow, int] = {}
        self._ended: list[tuple[http.HTTPFlow, int]] = []
        self._held: list[asyncio.Future[None]] = []
        self._flows: WeakValueDictionary[int, http.HTTPFlow] = WeakValueDictionary()
        self._findings: OrderedDict[int, Message] = OrderedDict()
        self._next, self._ending, self._summary = 0, False, ""
        self._told: set[str] = set()
        self._view = ui.OAuthView()

    # --- options -------------------------------------------------------------------------------------------------------

    def load(self, loader: Any) -> None:
        """Declare the options."""
        loader.add_option(
            "oauthtrace_db",
            str,
            "",
            "DuckDB file that keeps the OAuth exchanges. Without one, failures are explained and nothing is kept.",
        )
        loader.add_option(
            "oauthtrace_hosts",
            Sequence[str],
            [],
            "Look only at these hosts and their subdomains; at all hosts when empty.",
        )
        loader.add_option(
            "oauthtrace_keep",
            str,
            "resource",
            "Keep also the calls that carry an access token (resource), or of those only the ones that fail (oauth).",
            choices=["oauth", "resource"],
        )
        loader.add_option(
            "oauthtrace_save_redacted", str, "", "Write what is kept to this HAR file, every secret replaced."
        )
        loader.add_option("oauthtrace_print", bool, True, "Print why a flow failed as soon as it did.")
        ui.add_view(self._view)

    def configure(self, updated: set[str]) -> None:
        """Begin with the options at start, follow them later. A file can't be changed while it is written."""
        options = ctx.options
        hosts = tuple(host.lower().removeprefix("*.").strip(".") for host in options.oauthtrace_hosts)
        if self._recorder is None:
            self._begin(hosts)
            return
        self._recorder.hosts = hosts
        self._recorder.keep_resource_calls = options.oauthtrace_keep == "resource"
        if updated & {"oauthtrace_db", "oauthtrace_save_redacted"}:
            raise exceptions.OptionsError("oauthtrace: its files are chosen at start; end mitmproxy and start it anew")

    def _begin(self, hosts: tuple[str, ...]) -> None:
        options = ctx.options
        database = Path(options.oauthtrace_db).expanduser() if options.oauthtrace_db else None
        began = datetime.now(UTC).replace(tzinfo=None)
        label = options.rfile or f"capture {began:%Y-%m-%d %H:%M:%S}"
        written, key = self._journal(database, label, began)
        redactor = Redactor(key)
        warm_up(redactor)
        self._recorder = Recorder(written, redactor, hosts, keep_resource_calls=options.oauthtrace_keep == "resource")
        self._view.redactor = redactor
        if options.oauthtrace_save_redacted:
            try:
                self._har = RedactedHar(Path(options.oauthtrace_save_redacted).expanduser(), redactor)
            except OSError as error:
                raise exceptions.OptionsError(f"{options.oauthtrace_save_redacted}: {error.strerror}") from error
        quiet = type(ctx.master).__name__ == "ConsoleMaster"
        settings = {
            "database": str(database.absolute()) if database else "",
            "journal": str(written.path.absolute()),
            "print": options.oauthtrace_print and not quiet,
        }
        self._companion = Companion(settings, self._hear_in_thread, quiet=quiet)

    def _journal(self, database: Path | None, label: str, began: datetime) -> tuple[journal.Journal, bytes]:
        """The journal and the key of its fingerprints: beside the database, else where it can be written."""
        encode = msgspec.json.Encoder().encode
        if database is not None:
            try:
                key = _key_of(database)
                header = journal.header_of(key_check(key), label, began)
                return journal.Journal(journal.name_of(database), header, encode), key
            except OSError as error:
                elsewhere = Path(tempfile.mkdtemp(prefix="oauthtrace-")) / database.name
                self._say_once(
                    f"{database}: {error.strerror}; traffic goes on, what is seen is kept in {journal.name_of(elsewhere)}"
                )
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="oauthtrace-")
            elsewhere = Path(self._folder.name) / "live"
        key = load_key() if database is None else _key_of(elsewhere)
        return journal.Journal(journal.name_of(elsewhere), journal.header_of(key_check(key), label, began), encode), key

    def running(self) -> None:
        """Say where it listens; until now it could not be known."""
        gc.freeze()  # what was loaded stays: no collection has to look at it again while traffic passes
        if ctx.options.oauthtrace_print and type(ctx.master).__name__ == "DumpMaster" and not ctx.options.rfile:
            _tell_where(list(ctx.master.addons.get("proxyserver").servers))

    # --- flows -----------------------------------------------------------------------------------------------------------

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """A request begins: from now on it has a number."""
        self._open[flow] = self._next
        self._next += 1
        if len(self._open) > MOST_OPEN:
            self._take(next(iter(self._open)))

    def response(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """The answer is complete; mitmproxy gives it to the client when what is returned is done."""
        return self._take(flow)

    def error(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Refused, reset, timed out, given up by the client, or an upstream certificate that does not hold."""
        return self._take(flow)

    def _take(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        number = self._open.pop(flow, None)
        if number is None or self._recorder is None:
            return None  # taken before: a flow from a file that has both an answer and an error
        if not self._recorder.concerns(flow):
            return None
        self._ended.append((flow, number))
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # somebody calls the hook by himself
            self._keep()
            return None
        self._held.append(loop.create_future())
        if len(self._ended) == 1:
            loop.call_soon(self._gather, 1)
        return self._held[-1]

    def _gather(self, known: int) -> None:
        """Keep the flows that ended together, when a turn of the event loop has brought no more of them.

        With one flow at a time that is the next turn. Under load, where time is short, several are kept one right after
        another, which takes half the time for each: the proxy's own work between them would empty the processor's caches.
        """
        if known < len(self._ended) < MOST_TOGETHER:
            asyncio.get_running_loop().call_soon(self._gather, len(self._ended))
        else:
            self._keep()

    def _keep(self) -> None:
        """Bring what has ended into the journal, and let the answers go on to their clients."""
        if self._recorder is None:
            return  # it was done at the end
        ended, self._ended = self._ended, []
        held, self._held = self._held, []
        try:
            for (flow, number), row in zip(ended, self._recorder.take(ended), strict=True):
                if row is not None:
                    self._flows[number] = flow
                    self._view.seen(row)
                    if self._har is not None:
                        self._har.add(flow)
            if self._recorder.journal.trouble:
                self._complain()
        finally:
            for answer in held:
                if not answer.done():
                    answer.set_result(None)

    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        """A tunnel could not be opened: the server refused before the client could send its request."""
        said = flow.response.get_text(strict=False) if flow.response else None
        error = (said or "the proxy could not connect").partition(" If you plan")[0].strip()
        self._connection(flow.request.host, flow.request.port, error, flow.client_conn)

    def tls_failed_client(self, data: Any) -> None:
        """The client did not accept the proxy's certificate, or gave up while it was shown."""
        host = data.conn.sni or (data.context.server.address or ("",))[0]
        error = str(data.conn.error or "TLS with the client failed")
        if not host:
            return
        self._connection(host, (data.context.server.address or ("", 443))[1], error, data.conn)
        if "certificate" in error:
            self._say_once(f"{host}: {_HINT}")

    def _connection(self, host: str, port: int, error: str, client: Any) -> None:
        if self._recorder is not None:
            peer = client.peername
            self._recorder.connection(host, port, error, peer[0] if peer else None, self._next)
            self._next += 1

    def _complain(self) -> None:
        assert self._recorder is not None
        written = self._recorder.journal
        self._say_once(
            f"{written.path}: {written.trouble}; traffic goes on, the last exchanges are kept in memory until there is room"
        )

    def _say_once(self, text: str) -> None:
        """One line for the user, wherever mitmproxy shows such lines."""
        if text not in self._told and len(self._told) < MOST_FINDINGS:
            self._told.add(text)
            log.warning("oauthtrace: %s", text)

    # --- findings --------------------------------------------------------------------------------------------------------

    def _hear_in_thread(self, message: Message) -> None:
        loop = getattr(ctx.master, "event_loop", None)
        if self._ending or loop is None or loop.is_closed():
            self._hear(message)
        else:
            loop.call_soon_threadsafe(self._hear, message)

    def _hear(self, message: Message) -> None:
        """A finding, a finding withdrawn, a warning, or the summary."""
        if "warning" in message:
            self._say_once(message["warning"])
        elif "done" in message:
            log.log(ALERT, "oauthtrace: %s", message["done"])
        elif "summary" in message:
            self._summary = message["summary"]
        elif "n" in message:
            self._mark(message)

    def _mark(self, finding: Message) -> None:
        number = finding["n"]
        self._findings[number] = finding
        if len(self._findings) > MOST_FINDINGS:
            self._findings.popitem(last=False)
        if (found := self._flows.get(number)) is None:
            return
        found.marked = MARK if finding["cause"] else ""
        found.comment = finding["line"]
        ctx.master.addons.trigger(hooks.UpdateHook([found]))
        if finding["cause"] and type(ctx.master).__name__ != "DumpMaster":
            log.log(ALERT, "oauthtrace: %s", finding["line"])

    def _finding_of(self, wanted: flow.Flow) -> Message | None:
        number = next((number for number, known in self._flows.items() if known is wanted), None)
        return None if number is None else self._findings.get(number)

    # --- commands --------------------------------------------------------------------------------------------------------

    @command.command("oauthtrace.explain")  # type: ignore[untyped-decorator]
    def explain(self, wanted: flow.Flow) -> Sequence[str]:
        """Why a flow failed: cause, evidence, remedy, and the steps before it."""
        if not isinstance(wanted, http.HTTPFlow):
            raise exceptions.CommandError("not an HTTP flow")
        finding = self._finding_of(wanted)
        if finding is None:
            return ["No failure found in this flow.", "", *ui.lines_of(wanted, self._view)]
        return [*str(finding["text"]).splitlines(), "", *ui.lines_of(wanted, self._view)]

    @command.command("oauthtrace.report")  # type: ignore[untyped-decorator]
    def report(self, path: types.Path) -> None:
        """Write the HTML report of all that is in the database."""
        if self._companion is None or not self._companion.ask({"report": str(Path(path).expanduser().absolute())}):
            raise exceptions.CommandError("oauthtrace: the companion process is gone; use `oauthtrace report`")

    @command.command("oauthtrace.failures")  # type: ignore[untyped-decorator]
    def failures(self) -> None:
        """Show only flows that failed; once more shows all again."""
        if "view_filter" not in ctx.options:
            raise exceptions.CommandError("this interface has no list of flows")
        wanted = f"~marker {MARK}"
        ctx.options.update(view_filter=None if ctx.options.view_filter == wanted else wanted)

    # --- the end ---------------------------------------------------------------------------------------------------------

    def done(self) -> None:
        """Take what is open, let the companion finish, and show its summary."""
        if self._recorder is None:
            return
        for waiting in list(self._open):
            self._take(waiting)
        self._keep()
        self._ending = True
        self._recorder.tally()
        self._recorder.journal.close()
        if self._har is not None:
            self._har.close()
        if self._companion is not None and not self._companion.end():
            sys.stderr.write(
                f"oauthtrace: not all is in the database; {self._recorder.journal.path} is kept for the next time\n"
            )
        if self._summary:
            atexit.register(sys.stdout.write, self._summary)  # the console gives the terminal back after this
        if self._folder is not None:
            self._folder.cleanup()
        self._recorder = None


def _tell_where(servers: list[Any]) -> None:
    """Say where mitmproxy's servers take connections, and what a client of its WireGuard server is set up with."""
    addresses = [
        f"{'*' if host in _ANYWHERE else host}:{port}" for server in servers for host, port, *_ in server.listen_addrs
    ]
    parts = [f"listening at {', '.join(dict.fromkeys(addresses))}"] if addresses else []
    parts += [f"watching {server.mode.full_spec}" for server in servers if not server.listen_addrs]
    if parts:
        sys.stderr.write(f"oauthtrace: {', '.join(parts)}; Ctrl-C ends it\n")
    for server in servers:
        if isinstance(server, WireGuardServerInstance):
            sys.stderr.write(
                f"oauthtrace: a client's configuration (with --web as a code to scan):\n\n{server.client_conf()}\n\n"
            )


def _key_of(database: Path) -> bytes:
    """The database's key, made with it; the user's where the database has lost its own, which the companion tells."""
    file = database.with_name(f"{database.name}.key")
    if file.exists() or not database.exists():
        if not os.access(database.parent, os.W_OK):
            raise PermissionError(13, "can't be written here")
        return load_key(file)
    return load_key()
