"""The capture as its users run it: real mitmproxy, real connections, what is printed and what is kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from capture_proxy import ADDON, Client, free_port, running, upstream
from conftest import KEY, ROOT, SAMPLES

from oauthtrace.analysis import analyze
from oauthtrace.capture import journal
from oauthtrace.privacy import Redactor
from oauthtrace.store import Store

pytest.importorskip("mitmproxy", reason="capture needs mitmproxy (extra capture)")

BIN = Path(sys.executable).parent
OTHER = os.environ.get("OAUTHTRACE_OTHER_PYTHON")
"""The Python of another environment, with another mitmproxy."""
CAPTURE = (str(BIN / "oauthtrace"), "capture", "--db")
PYTHONS = [
    pytest.param(sys.executable, id="this Python"),
    pytest.param(OTHER, id="the other Python", marks=pytest.mark.skipif(not OTHER, reason="OAUTHTRACE_OTHER_PYTHON names no Python of an environment with another mitmproxy")),
]  # fmt: skip


@pytest.fixture(scope="module")
def server():
    with upstream() as port:
        yield port


@pytest.mark.parametrize("python", PYTHONS)
def test_a_flow_file_gives_the_same_findings_as_analyze(python: str, tmp_path: Path):
    database = tmp_path / "kept.duckdb"
    command = [str(Path(python).with_name("mitmdump")), "-q", "-nr", str(SAMPLES / "session.mitm"), "-s", str(ADDON)]
    done = subprocess.run(
        [*command, "--set", f"oauthtrace_db={database}"], capture_output=True, text=True, timeout=60, check=True
    )
    live, whole = analyze(db=database).to_dict(), analyze([SAMPLES / "session.mitm"], key=KEY).to_dict()
    assert live["failures"] == whole["failures"], done.stdout + done.stderr
    assert (live["summary"], live["inputs"]) == (whole["summary"], whole["inputs"])


@pytest.mark.parametrize("python", PYTHONS)
def test_from_start_to_end(python: str, server: int, tmp_path: Path):
    """The command line's way: a failure is explained while it runs, Ctrl-C ends it with a summary, all of it is kept."""
    database, har = tmp_path / "kept.duckdb", tmp_path / "redacted.har"
    command = (
        str(Path(python).with_name("oauthtrace")),
        *CAPTURE[1:],
        str(database),
        "--save-redacted",
        str(har),
        "--",
    )
    with running(tmp_path, {}, command=command) as proxy:
        client = Client(proxy.port, server)
        client.redeem("good-code-4711-abcdef")
        assert client.redeem("bad-code-4711-abcdef")[0] == 400
        client.request("GET", "/")
        said = proxy.until("grant/code-expired")
        assert "Code expired" in said, said
        client.close()
        assert proxy.end() == 0
    said = proxy.said()
    assert "3 requests   2 exchanges" in said, said
    assert "1 of " in said, said
    assert analyze(db=database).exchanges.height == 2
    assert analyze([har], key=KEY).failures["cause"].to_list() == ["grant/code-expired"]
    assert journal.files_of(database) == []


# --- what can go wrong ------------------------------------------------------------------------------------------------------


def newer(database: Path) -> None:
    with Store(database) as store:
        store.ingest([SAMPLES / "session.mitm"])
    with duckdb.connect(database) as con:
        con.execute("update meta set value = '99' where name = 'schema'")


def foreign(database: Path) -> None:
    database.write_text("no database\n" * 1000)


TROUBLES = {
    "a newer schema": (newer, "x.duckdb", "newer oauthtrace"),
    "no database": (foreign, "x.duckdb", "not a DuckDB database"),
    "a folder that can't be written": (lambda _: None, "nowhere/x.duckdb", "can't be written"),
}


@pytest.mark.parametrize(("make", "name", "says"), TROUBLES.values(), ids=TROUBLES)
def test_traffic_goes_on_and_the_journal_is_kept(make, name, says, server, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    database = tmp_path / name
    make(database)
    with running(tmp_path, {"oauthtrace_db": str(database)}) as proxy:
        client = Client(proxy.port, server)
        for number in range(3):
            assert client.redeem(f"good-{number}")[0] == 200
        said = proxy.until(says)
        assert client.redeem("bad-1")[0] == 400, "traffic stopped"
        client.close()
    line = next(line for line in said.splitlines() if says in line)
    assert "traffic goes on" in line, line
    assert "Traceback" not in proxy.said(), proxy.said()
    kept = [record for file in tmp_path.rglob("*.journal*") if file.is_file() for record in journal.read(file).records]
    assert sum("row" in record for record in kept) == 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system, and only a small one is soon full")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_stops_nothing(small_disk: Path, server: int, tmp_path: Path):
    """Whether the database says so too depends on which of the two the last room went to."""
    with running(tmp_path, {"oauthtrace_db": str(small_disk / "x.duckdb")}) as proxy:
        client = Client(proxy.port, server)
        for number in range(250):
            assert client.redeem(f"good-{number}")[0] == 200
        proxy.until("No space left on device; traffic goes on")
        assert client.redeem("bad-1")[0] == 400, "traffic stopped"
        client.close()
    assert "Traceback" not in proxy.said(), proxy.said()


def test_a_database_on_a_full_disk_says_so_in_one_line(small_disk: Path, server: int, tmp_path: Path):
    (small_disk / "filler").write_bytes(bytes(186_000))
    with running(tmp_path, {"oauthtrace_db": str(small_disk / "x.duckdb")}) as proxy:
        client = Client(proxy.port, server)
        assert client.redeem("good-1")[0] == 200
        said = proxy.until("x.duckdb: the disk is full")
        client.close()
    line = next(line for line in said.splitlines() if "the disk is full" in line)
    assert "traffic goes on" in line, line
    assert "Traceback" not in proxy.said(), proxy.said()


def test_a_port_in_use_is_one_line(server: int, tmp_path: Path):
    command = [*CAPTURE, str(tmp_path / "x.duckdb"), "--", "--listen-host", "127.0.0.1", "-p", str(server)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"error: port {server} is in use; choose another one after --, for example: -- -p {server + 1}"
    ]
    assert not (tmp_path / "x.duckdb").exists()


@pytest.mark.parametrize("python", PYTHONS)
def test_a_mode_that_can_not_start_is_one_line(python: str, tmp_path: Path):
    command = [
        str(Path(python).with_name("oauthtrace")),
        "capture",
        "--db",
        str(tmp_path / "x.duckdb"),
        "--",
        "--mode",
        "local:curl",
    ]
    without_sudo = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=without_sudo)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert "backtrace" not in done.stderr


def test_without_mitmproxy_it_says_what_to_install(tmp_path: Path):
    program = "import sys; sys.modules['mitmproxy'] = None; from oauthtrace.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program, "capture", "--db", str(tmp_path / "x")], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "error: capture needs mitmproxy: pip install 'oauthtrace[capture]'\n")


def test_a_companion_that_is_killed_takes_nothing_with_it(server: int, tmp_path: Path):
    database = tmp_path / "kept.duckdb"
    with running(tmp_path, {"oauthtrace_db": str(database)}) as proxy:
        client = Client(proxy.port, server)
        client.redeem("good-0")
        os.kill(proxy.companion() or 0, signal.SIGKILL)
        proxy.until("companion")
        assert client.redeem("good-1")[0] == 200
        client.close()
    with Store(database) as store:
        assert store.exchanges().height == 2


# --- side by side with others -----------------------------------------------------------------------------------------------


def test_others_read_and_write_the_database_meanwhile(server: int, tmp_path: Path):
    database = tmp_path / "kept.duckdb"
    stop = threading.Event()

    def load(port: int) -> None:
        client = Client(port, server)
        for number in range(100_000):
            if stop.is_set():
                break
            client.redeem(f"{'bad' if number % 10 == 0 else 'good'}-{number}")
            stop.wait(0.01)
        client.close()

    others = [
        ["report", "--db", str(database), "-o", str(tmp_path / "r.html")],
        ["analyze", "--db", str(database), "--format", "json"],
        ["ingest", str(SAMPLES / "server.har"), "--db", str(database)],
    ]
    with running(tmp_path, {"oauthtrace_db": str(database)}) as proxy:
        thread = threading.Thread(target=load, args=(proxy.port,))
        thread.start()
        try:
            proxy.until("grant/code-expired")
            for _ in range(100):
                if database.exists():
                    break
                stop.wait(0.1)
            stop.wait(1.5)
            for other in others:
                done = subprocess.run(
                    [str(BIN / "oauthtrace"), *other], capture_output=True, text=True, timeout=60, check=False
                )
                assert done.returncode == 0, f"{other[0]}: {done.stderr}"
        finally:
            stop.set()
            thread.join()
    assert "traffic goes on" not in proxy.said(), "the capture could not write"
    assert {reading.file for reading in analyze(db=database).inputs} >= {str(SAMPLES / "server.har")}


# --- what is no answer ------------------------------------------------------------------------------------------------------


def test_a_refused_connection_and_a_client_that_gives_up_are_exchanges(tmp_path: Path):
    database = tmp_path / "kept.duckdb"
    with socket.socket() as silent, running(tmp_path, {"oauthtrace_db": str(database)}) as proxy:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = Client(proxy.port, free_port())
        assert client.redeem("refused")[0] == 502
        client.close()
        client = Client(proxy.port, silent.getsockname()[1])
        client._socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.redeem("slow")
        client.close()
        proxy.until("server/timeout")
    with Store(database) as store:
        errors = store.exchanges().sort("time")["transport_error"].to_list()
    assert "refused" in errors[0].lower() or "connect" in errors[0].lower(), errors
    assert "client disconnected" in errors[1].lower(), errors


def test_a_client_that_does_not_trust_the_proxy_is_told_so(server: int, tmp_path: Path):
    if not shutil.which("openssl"):
        pytest.skip("openssl plays the client, and is not installed")
    with running(tmp_path, {"connection_strategy": "lazy"}) as proxy:
        command = [
            "openssl",
            "s_client",
            "-verify_return_error",
            "-proxy",
            f"127.0.0.1:{proxy.port}",
            "-connect",
            f"localhost:{server}",
            "-servername",
            "id.test",
        ]
        subprocess.run(command, input=b"", capture_output=True, timeout=20, check=False)
        proxy.until("id.test: the client does not trust the proxy's certificate")
        proxy.until("server/tls")


def test_a_huge_body_is_streamed(server: int, tmp_path: Path):
    database = tmp_path / "kept.duckdb"
    with running(tmp_path, {"oauthtrace_db": str(database), "stream_large_bodies": "1m"}) as proxy:
        client = Client(proxy.port, server)
        assert len(client.request("GET", "/huge/oauth2/token")[1]) == 8 << 20
        client.redeem("good-0")
        client.close()
    with Store(database) as store:
        assert store.exchanges()["code_fp"].drop_nulls().len() == 1


# --- canaries ---------------------------------------------------------------------------------------------------------------


def test_no_secret_is_found_anywhere(server: int, tmp_path: Path):
    """In the database, the journal, temporary files, what is printed and logged, the HAR, and a report."""
    database, har, temporary = tmp_path / "kept.duckdb", tmp_path / "redacted.har", tmp_path / "temporary"
    temporary.mkdir()
    canaries = {
        name: f"{name}-Zq7{number}xKcanaryW{number}pLm"
        for number, name in enumerate(("bad", "secret", "verifier", "password", "cookie", "bearer", "state"))
    }
    settings = {
        "oauthtrace_db": str(database),
        "oauthtrace_save_redacted": str(har),
        "termlog_verbosity": "debug",
        "flow_detail": "0",
    }
    with running(tmp_path, settings, environment={"TMPDIR": str(temporary)}) as proxy:
        client = Client(proxy.port, server)
        client.redeem(
            canaries["bad"],
            client_secret=canaries["secret"],
            code_verifier=canaries["verifier"],
            password=canaries["password"],
        )
        client.request(
            "GET",
            f"/callback?state={canaries['state']}&code={canaries['bad']}",
            headers={"Cookie": f"sid={canaries['cookie']}"},
        )
        client.request("GET", "/v1/orders", headers={"Authorization": f"Bearer {canaries['bearer']}"})
        client.request(
            "POST",
            "/login",
            json.dumps({"password": canaries["password"], "grant_type": "password"}),
            {"Content-Type": "application/json"},
        )
        client.redeem("good-1")
        proxy.until("grant/code-expired")
        found = {where: look_for(canaries, where) for where in (*tmp_path.rglob("*"),)}
        client.close()
    analyze(db=database).write_report(tmp_path / "report.html")
    found |= {where: look_for(canaries, where) for where in tmp_path.rglob("*")}
    assert {str(where): names for where, names in found.items() if names} == {}
    with Store(database) as store:
        assert Redactor(KEY).fingerprint("code", canaries["bad"]) in store.exchanges()["code_fp"].to_list()


def look_for(canaries: dict[str, str], file: Path) -> list[str]:
    if not file.is_file() or file.suffix in (".pem", ".p12", ".cer"):
        return []
    data = file.read_bytes()
    return [
        name for name, value in {**canaries, "issued token": "upstream-token-4711"}.items() if value.encode() in data
    ]
