"""The ways in which traffic can come through mitmproxy, each with real connections: a failure is named in all of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import capture_network
import pytest
from capture_proxy import START_S, Proxy, running, upstream
from conftest import KEY

from oauthtrace.privacy import Redactor
from oauthtrace.store import Store

pytest.importorskip("mitmproxy", reason="capture needs mitmproxy (extra capture)")
if not shutil.which("curl"):
    pytest.skip("curl plays the client, and is not installed", allow_module_level=True)

import capture_http3

OTHER = os.environ.get("OAUTHTRACE_OTHER_PYTHON")
"""The Python of another environment, with another mitmproxy."""
ANYWHERE = "0.0.0.0"
CODE = "bad-code-4711-abcdef"
FORM = f"grant_type=authorization_code&code={CODE}&client_id=web&redirect_uri=https%3A%2F%2Fapp.test%2Fcb"
LOCAL_MODE = """
mount --make-rprivate / && { mountpoint -q /sys/fs/cgroup/unified && mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup || true; }
exec "$@"
"""
"""mitmproxy's local mode looks for the second version of control groups at its usual place."""


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with upstream(ANYWHERE) as port:
        yield port


def curl(*arguments: str, at: list[str] | None = None) -> str:
    """What the server answered."""
    command = [*(at or []), "curl", "--silent", "--show-error", "--insecure", "--max-time", "15", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def redeem(url: str, *arguments: str, at: list[str] | None = None) -> None:
    assert "invalid_grant" in curl(*arguments, "--data", FORM, f"{url}/oauth2/token", at=at)


@contextlib.contextmanager
def capture(folder: Path, mode: str, host: str = "127.0.0.1", python: str = sys.executable, at: tuple[str, ...] = ()) -> Iterator[Proxy]:  # fmt: skip
    """`oauthtrace capture` in a mode, when it says that it is ready."""
    command = (*at, str(Path(python).with_name("oauthtrace")), "capture", "--db", str(folder / "kept.duckdb"), "--")
    proxy = Proxy(folder, {"ssl_insecure": "true", "listen_host": host}, ("--mode", mode), command)
    try:
        proxy.until("Ctrl-C ends it", START_S)
        yield proxy
    finally:
        proxy.end()


def assert_told(proxy: Proxy, folder: Path, host: str) -> None:
    """The failure is on the terminal, and the exchange in the database afterwards, as one of this host."""
    proxy.until("grant/code-expired")
    proxy.end()
    with Store(folder / "kept.duckdb") as store:
        kept = store.exchanges()
    assert kept["code_fp"].to_list() == [Redactor(KEY).fingerprint("code", CODE)]
    assert kept["host"].to_list() == [host]


# --- modes, and versions of HTTP ------------------------------------------------------------------------------------------

WAYS: dict[str, tuple[str, Callable[[int, int], None], str]] = {
    "regular": ("regular", lambda proxy, server: redeem(f"http://127.0.0.1:{server}", "--proxy", f"http://127.0.0.1:{proxy}"), "127.0.0.1:{server}"),
    "SOCKS": ("socks5", lambda proxy, server: redeem(f"http://127.0.0.1:{server}", "--socks5", f"127.0.0.1:{proxy}"), "127.0.0.1:{server}"),
    "reverse": ("reverse:http://127.0.0.1:{server}", lambda proxy, _: redeem(f"http://127.0.0.1:{proxy}"), "127.0.0.1:{server}"),
    "reverse, HTTP/2": ("reverse:http://127.0.0.1:{server}", lambda proxy, _: redeem(f"https://127.0.0.1:{proxy}", "--http2"), "127.0.0.1:{server}"),
}  # fmt: skip
"""Mode, how the client sends its request given both ports, and the host that is kept."""


@pytest.mark.parametrize(("mode", "send", "host"), WAYS.values(), ids=WAYS)
def test_a_failure_is_told_in_every_mode(mode, send, host, server: int, tmp_path: Path):
    with capture(tmp_path, mode.format(server=server)) as proxy:
        send(proxy.port, server)
        assert_told(proxy, tmp_path, host.format(server=server))


def test_behind_another_proxy(server: int, tmp_path: Path):
    (folder := tmp_path / "other").mkdir()
    other = running(folder, {}, command=(str(Path(sys.executable).with_name("mitmdump")), "-q"))
    with other as company, capture(tmp_path, f"upstream:http://127.0.0.1:{company.port}") as proxy:
        redeem(f"http://127.0.0.1:{server}", "--proxy", f"http://127.0.0.1:{proxy.port}")
        assert_told(proxy, tmp_path, f"127.0.0.1:{server}")


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the server's certificate, and is not installed")
def test_http_3(tmp_path: Path):
    with capture_http3.upstream(tmp_path) as port, capture(tmp_path, f"reverse:https://localhost:{port}") as proxy:
        assert capture_http3.redeem(proxy.port, f"localhost:{port}", FORM) == 400
        assert_told(proxy, tmp_path, f"localhost:{port}")


# --- bodies -----------------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_compressed_and_in_chunks_is_read(server: int, tmp_path: Path):
    with capture(tmp_path, "regular") as proxy:
        redeem(f"http://127.0.0.1:{server}", "--compressed", "--proxy", f"http://127.0.0.1:{proxy.port}")
        assert_told(proxy, tmp_path, f"127.0.0.1:{server}")


def test_a_multipart_body_by_mistake_is_named(server: int, tmp_path: Path):
    with capture(tmp_path, "regular") as proxy:
        sent = ("--form", "grant_type=authorization_code", "--form", f"code={CODE}")
        curl("--proxy", f"http://127.0.0.1:{proxy.port}", *sent, f"http://127.0.0.1:{server}/oauth2/token")
        proxy.until("request/content-type")
        proxy.end()
    with Store(tmp_path / "kept.duckdb") as store:
        assert store.exchanges()["code_fp"].to_list() == [Redactor(KEY).fingerprint("code", CODE)]


# --- another machine --------------------------------------------------------------------------------------------------------


@pytest.fixture
def other_machine(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    if reason := capture_network.lacking(*request.param):
        pytest.skip(reason)
    with capture_network.machine() as there:
        yield there


@pytest.mark.parametrize("other_machine", [("iptables",)], indirect=True)
def test_connections_of_another_machine_are_redirected(other_machine: list[str], server: int, tmp_path: Path):
    with capture(tmp_path, "transparent", ANYWHERE) as proxy, capture_network.redirected(server, proxy.port):
        redeem(f"http://{capture_network.SERVER}:{server}", at=other_machine)
        assert_told(proxy, tmp_path, f"{capture_network.SERVER}:{server}")


@pytest.mark.parametrize("other_machine", [("wireguard-go", "wg")], indirect=True)
def test_another_machine_is_in_a_tunnel_as_a_phone_is(other_machine: list[str], server: int, tmp_path: Path):
    with capture(tmp_path, "wireguard", ANYWHERE) as proxy:
        assert "[Interface]" in proxy.said(), "nothing tells how a client is set up"
        with capture_network.tunnelled(tmp_path / "wireguard.conf", proxy.port, tmp_path):
            redeem(f"http://{capture_network.SERVER}:{server}", at=other_machine)
            assert_told(proxy, tmp_path, f"{capture_network.SERVER}:{server}")


# --- programs by their name ---------------------------------------------------------------------------------------------------


@pytest.fixture
def intercepting() -> tuple[str, ...]:
    """The beginning of a command that may intercept other programs' connections."""
    if not OTHER or os.geteuid() or not shutil.which("sudo") or not shutil.which("unshare"):
        pytest.skip("mitmproxy's local mode needs mitmproxy 12 (OAUTHTRACE_OTHER_PYTHON), root, sudo and unshare")
    return ("unshare", "--mount", "bash", "-c", LOCAL_MODE, "bash")


def test_a_program_is_watched_by_its_name(intercepting: tuple[str, ...], server: int, tmp_path: Path):
    try:
        with capture(tmp_path, "local:curl", python=OTHER, at=intercepting) as proxy:
            redeem(f"http://127.0.0.1:{server}")
            assert_told(proxy, tmp_path, f"127.0.0.1:{server}")
    except AssertionError as error:
        if "local mode did not start" in str(error):
            pytest.skip("this kernel does not let mitmproxy intercept connections")
        raise
