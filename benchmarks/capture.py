"""`make bench`: what the capture costs the traffic that it observes.

The same load, HTTPS as OAuth's is, over connections that stay open, goes through mitmdump without any addon, with
mitmproxy's own HAR dump, with an addon that does nothing, and with the capture, by turns and several times over, since
machines do not keep their speed. Then: the hook's time for each exchange, and the memory of both processes over many
exchanges.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from capture_proxy import Proxy, certificate, free_port  # noqa: E402 - found by the line above

BARS = {"plain": 0.03, "oauth": 0.10}
"""Kind of traffic -> the share of its throughput that the capture may cost."""
P50_US, P99_US = 150.0, 1000.0
GROWTH_MB = 25.0
CONNECTIONS = 8
TURN_S = 0.4
BATCHES = 3
"""So often the proxies are started anew: two processes of the same make differ by some per cent for as long as they live."""
SETUPS = ("none", "har", "idle", "capture")
AGAINST = {"none": "no addon", "har": "its HAR dump", "idle": "an addon that does nothing"}
IDLE = """
class Idle:
    def requestheaders(self, flow): pass
    def response(self, flow): pass
    def error(self, flow): pass

addons = [Idle()]
"""
TIMED = '''
import json, pathlib, time
from oauthtrace.capture import OAuthTrace

class Timed(OAuthTrace):
    """Microseconds of the proxy's time for each exchange, and from the end of an answer to its way on to the client."""
    def __init__(self):
        super().__init__()
        self.hook, self.held, self.begun = [], [], []
    def _take(self, flow):
        began = time.perf_counter()
        answer = super()._take(flow)
        taken = time.perf_counter() - began
        if answer is None:
            self.hook.append(taken * 1e6)
        else:
            self.begun.append((began, taken))
        return answer
    def _keep(self):
        began = time.perf_counter()
        super()._keep()
        ended = time.perf_counter()
        for start, taken in self.begun:
            self.hook.append((taken + (ended - began) / len(self.begun)) * 1e6)
            self.held.append((ended - start) * 1e6)
        self.begun = []
    def done(self):
        super().done()
        times = {"hook": self.hook, "held": self.held}
        pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(times))

addons = [Timed()]
'''
SCRIPTS = {"idle": IDLE, "timed": TIMED}


class Measured(NamedTuple):
    """One line of the result."""

    what: str
    value: str
    bar: str
    good: bool


# --- load ---------------------------------------------------------------------------------------------------------------


def serve(port: int, folder: str) -> None:
    """An upstream server that costs next to nothing; runs in a process of its own."""
    secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secure.load_cert_chain(certificate(Path(folder)))
    page = b"<html><title>Shop</title>" + b"goods " * 300
    token = json.dumps(
        {"access_token": "t" * 300, "token_type": "Bearer", "expires_in": 300, "refresh_token": "r" * 43}
    ).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(_length(head))
                is_token = b"/token" in head.split(b"\r\n", 1)[0]
                body, kind = (token, b"application/json") if is_token else (page, b"text/html")
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nServer: bench\r\nDate: Mon, 04 May 2026 10:00:00 GMT\r\n"
                    b"Cache-Control: no-store\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body)
                )
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", port, ssl=secure)
        await server.serve_forever()

    asyncio.run(run())


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 : head.index(b"\r", at)]) if at >= 0 else 0


def request_of(kind: str, number: int) -> bytes:
    """A page of a shop, or the redemption of a code."""
    if kind == "plain":
        return (
            f"GET /shop/items/{number % 500}?page={number % 7} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0 bench\r\n"
            "Accept: text/html\r\nAccept-Language: en\r\nCookie: theme=dark; cart=17\r\n\r\n"
        ).encode()
    form = {
        "grant_type": "authorization_code",
        "code": f"code-{number}",
        "redirect_uri": "https://app.test/cb",
        "code_verifier": "v" * 50,
    }
    body = urlencode(form)
    return (
        "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench/1\r\nAccept: application/json\r\n"
        "Authorization: Basic d2ViOnNlY3JldA==\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Load:
    """Sends requests through a proxy, over connections that stay open from one run to the next.

    Args:
        kind: of traffic, as :data:`BARS` names it.
        proxy: its port.
        server: port of the upstream server.
    """

    def __init__(self, kind: str, proxy: int, server: int) -> None:
        self._kind, self._proxy, self._server = kind, proxy, server
        self._count = 0
        self._runner = asyncio.Runner()
        self._connections = self._runner.run(self._connect())

    def run(self, seconds: float = 1e9, most: int = 1 << 60) -> tuple[int, float]:
        """How many requests were answered, and within how many seconds."""
        return self._runner.run(self._run(seconds, most))

    def close(self) -> None:
        for _, writer in self._connections:
            writer.close()
        self._runner.close()

    async def _connect(self) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        connections = []
        for _ in range(CONNECTIONS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._proxy)
            writer.write(b"CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % (self._server, self._server))
            await reader.readuntil(b"\r\n\r\n")
            await writer.start_tls(trusting, server_hostname="localhost")
            connections.append((reader, writer))
        return connections

    async def _run(self, seconds: float, most: int) -> tuple[int, float]:
        began, before = time.perf_counter(), self._count

        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while self._count - before < most and time.perf_counter() < began + seconds:
                self._count += 1
                writer.write(request_of(self._kind, self._count))
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(_length(head))

        await asyncio.gather(*(one(*connection) for connection in self._connections))
        return self._count - before, time.perf_counter() - began


@contextlib.contextmanager
def loaded(kind: str, proxy: Proxy, server: int) -> Iterator[Load]:
    """A load on a proxy that has warmed up."""
    load = Load(kind, proxy.port, server)
    load.run(1.0)
    yield load
    load.close()


def start(setup: str, folder: Path) -> Proxy:
    command = (str(Path(sys.executable).with_name("mitmdump")), "-q")
    settings = {"ssl_insecure": "true"}
    if setup == "har":
        settings["hardump"] = str(folder / "all.har")
    if setup in SCRIPTS:
        (script := folder / f"{setup}.py").write_text(SCRIPTS[setup])
        command += ("-s", str(script))
    if setup == "capture":
        command += ("-s", str(ROOT / "addons" / "oauthtrace_addon.py"))
    if setup in ("capture", "timed"):
        settings["oauthtrace_db"] = str(folder / "kept.duckdb")
    proxy = Proxy(folder, settings, command=command)
    proxy.wait()
    return proxy


# --- what is measured ---------------------------------------------------------------------------------------------------


def throughput(kind: str, server: int, rounds: int) -> list[Measured]:
    """The set-ups run side by side and take short turns, in another order each time; medians of the ratios.

    Short, since a machine's speed changes within seconds. A proxy is one thread that is never idle here, so its processor
    time for a request is the reciprocal of the throughput, without the noise of what else the machine does; both are
    shown, the processor time is judged.
    """
    rates: dict[str, list[float]] = {setup: [] for setup in SETUPS}
    costs: dict[str, list[float]] = {setup: [] for setup in SETUPS}
    for _ in range(BATCHES):
        _take_turns(kind, server, rounds, rates, costs)
    measured = []
    for other, name in AGAINST.items():
        share = (
            statistics.median(ours / theirs for ours, theirs in zip(costs["capture"], costs[other], strict=True)) - 1
        )
        wall = 1 - statistics.median(ours / theirs for ours, theirs in zip(rates["capture"], rates[other], strict=True))
        rate = f"{statistics.median(rates['capture']):.0f} of {statistics.median(rates[other]):.0f} requests/s"
        value = f"{share / (1 + share):+.1%} by processor time, {wall:+.1%} by clock   {rate}"
        measured.append(
            Measured(f"{kind} traffic against {name}", value, f"{BARS[kind]:.0%}", share / (1 + share) <= BARS[kind])
        )
    return measured


def _take_turns(
    kind: str, server: int, rounds: int, rates: dict[str, list[float]], costs: dict[str, list[float]]
) -> None:
    """One batch: requests a second, and seconds of the proxy's processor time for a request, of each set-up and round."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        proxies, loads = dict[str, Proxy](), dict[str, Load]()
        for setup in SETUPS:
            (folder := Path(name) / setup).mkdir()
            proxies[setup] = start(setup, folder)
            stack.callback(proxies[setup].end)
        for setup, proxy in proxies.items():
            loads[setup] = stack.enter_context(loaded(kind, proxy, server))
        for number in range(rounds):
            first = number % len(SETUPS)
            for setup in SETUPS[first:] + SETUPS[:first]:
                before = processor_s(proxies[setup].process.pid)
                count, took = loads[setup].run(TURN_S)
                rates[setup].append(count / took)
                costs[setup].append((processor_s(proxies[setup].process.pid) - before) / count)


def processor_s(pid: int) -> float:
    """Processor time that a process has used, seconds."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def hook_times(count: int) -> list[Measured]:
    """Microseconds that the hook takes of the proxy's time, over the samples' flows and over a plain one."""
    from mitmproxy.io import FlowReader
    from mitmproxy.test import tflow

    from oauthtrace.capture import journal, recorder
    from oauthtrace.privacy import Redactor

    with (ROOT / "sample_logs" / "session.mitm").open("rb") as stream:
        flows = list(FlowReader(stream).stream())
    measured = []
    for what, sample in (("OAuth", flows), ("plain", [tflow.tflow(resp=True)])):
        with tempfile.TemporaryDirectory() as name:
            import msgspec

            header = journal.header_of("", "bench", datetime(2026, 5, 4))  # noqa: DTZ001 - naive UTC
            written = journal.Journal(Path(name) / "x.journal", header, msgspec.json.Encoder().encode)
            kept = recorder.Recorder(written, Redactor(bytes(16)))
            times = []
            for number in range(count):
                began = time.perf_counter()
                flow = sample[number % len(sample)]
                if kept.concerns(flow):
                    kept.take([(flow, number)])
                times.append((time.perf_counter() - began) * 1e6)
            written.close()
        measured.append(hook_line(f"hook alone, {what} exchange", times))
    return measured


def hook_in_proxy(server: int, seconds: float) -> list[Measured]:
    """The same within a proxy under full load, whose own work has emptied the processor's caches before each call."""
    measured = []
    for kind in BARS:
        with tempfile.TemporaryDirectory() as name:
            proxy = start("timed", Path(name))
            with loaded(kind, proxy, server) as load:
                load.run(seconds * 4)
            proxy.end()
            times = json.loads((Path(name) / "timed.json").read_text())
        measured.append(hook_line(f"hook in the proxy under load, {kind} exchange", times["hook"][500:]))
        if held := sorted(times["held"][500:]):
            value = f"p50 {held[len(held) // 2] / 1e3:.1f} ms, p99 {held[int(len(held) * 0.99)] / 1e3:.1f} ms"
            measured.append(Measured("an answer waits under load until it is kept", value, "none", True))
    return measured


def hook_line(what: str, times: list[float]) -> Measured:
    times.sort()
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    good = p50 <= P50_US and p99 <= P99_US
    return Measured(what, f"p50 {p50:.0f} µs, p99 {p99:.0f} µs", f"{P50_US:.0f}, {P99_US:.0f} µs", good)


def memory(server: int, exchanges: int) -> Measured:
    """Growth of the proxy and of its companion from the first fifth of many OAuth exchanges to the last."""
    readings = []
    with tempfile.TemporaryDirectory() as name:
        proxy = start("capture", Path(name))
        try:
            companion = proxy.companion()
            with loaded("oauth", proxy, server) as load:
                for _ in range(5):
                    load.run(most=exchanges // 5)
                    time.sleep(2)
                    readings.append((resident_mb(proxy.process.pid), resident_mb(companion)))
        finally:
            proxy.end()
    grown = [last - first for first, last in zip(readings[0], readings[-1], strict=True)]
    shown = " → ".join(f"{ours:.0f}+{theirs:.0f}" for ours, theirs in readings)
    return Measured(
        f"memory over {exchanges:,} exchanges", f"{shown} MB", f"+{GROWTH_MB:.0f} MB each", max(grown) <= GROWTH_MB
    )


def latency() -> Measured:
    """Seconds from the end of a failing answer to its cause on the terminal, over all scenarios of the samples."""
    import capture_lab

    from oauthtrace.analysis import analyze
    from sample_logs.make.scenarios import SCENARIOS

    with tempfile.TemporaryDirectory() as name:
        run = capture_lab.play(Path(name))
        found = analyze(db=run.database).failures
    causes = {scenario: {scenario.cause, *scenario.also} for scenario in SCENARIOS}
    delays = []
    for scenario, began, ended in run.played:
        told = run.told(began, ended)
        for row in capture_lab.failures_between(found, began, ended):
            if row["cause"] not in causes[scenario]:
                continue
            second, end = (
                f"{row['time']:%H:%M:%S}",
                row["time"].replace(tzinfo=UTC).timestamp() + (row["duration_ms"] or 0) / 1e3,
            )
            delays += [
                one.printed - end
                for one in told
                if (one.second, one.cause) == (second, row["cause"]) and one.printed > end
            ][:1]
    delays.sort()
    shown = f"median {statistics.median(delays):.2f} s, most {delays[-1]:.2f} s, {len(delays)} failures"
    return Measured("from answer to explanation", shown, "1 s", delays[-1] <= 1.0)


def resident_mb(pid: int | None) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--only", choices=("plain", "oauth", "hook", "memory", "latency"))
    given = parser.parse_args()
    rounds, seconds, exchanges = (20, 1.5, 10_000) if given.quick else (60, 3.0, 100_000)
    port, folder = free_port(), tempfile.TemporaryDirectory()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port, folder.name), daemon=True)
    server.start()
    time.sleep(1)
    rows: list[Measured] = []
    for kind in BARS:
        if given.only in (None, kind):
            rows += throughput(kind, port, rounds)
    if given.only in (None, "hook"):
        rows += hook_times(5_000 if given.quick else 50_000)
        rows += hook_in_proxy(port, seconds)
    if given.only in (None, "memory"):
        rows.append(memory(port, exchanges))
    if given.only in (None, "latency"):
        rows.append(latency())
    server.terminate()
    folder.cleanup()
    for row in rows:
        print(f"{row.what:<52}{row.value:<78}{'ok' if row.good else 'OVER':<6}bar {row.bar}")
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
