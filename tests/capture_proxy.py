"""What the capture's tests and its benchmark share: a small upstream server, a client, and mitmproxy with the addon."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).parent.parent
ADDON = ROOT / "addons" / "oauthtrace_addon.py"
START_S = 40.0
EXPIRED = b'{"error": "invalid_grant", "error_description": "Code expired"}'


class Upstream(BaseHTTPRequestHandler):
    """Answers token requests, everything else with a page. A code that begins with ``bad`` is refused, and so is multipart."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not urlsplit(self.path).path.endswith("/token"):
            self.answer(200, b'{"saved": true}', "application/json")
        elif self.headers.get("Content-Type", "").startswith("multipart/"):
            self.answer(400, b'{"error": "invalid_request"}', "application/json")
        elif b"code=bad" in sent:
            self.answer(400, EXPIRED, "application/json")
        else:
            token = {"access_token": "upstream-token-4711-abcdefgh", "token_type": "Bearer", "expires_in": 300}
            self.answer(200, json.dumps(token).encode(), "application/json")

    def do_GET(self) -> None:
        if self.path.startswith("/huge"):
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(8 << 20))
            self.end_headers()
            for _ in range(128):
                self.wfile.write(bytes(1 << 16))
        else:
            self.answer(200, b"<html><title>Shop</title>" + b"goods " * 200, "text/html")

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            packed = gzip.compress(body)
            for chunk in (packed[:20], packed[20:], b""):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@contextlib.contextmanager
def upstream(host: str = "127.0.0.1") -> Iterator[int]:
    """The port of a running upstream server."""
    server = ThreadingHTTPServer((host, 0), Upstream)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder: Path) -> Path:
    """A self-signed certificate of localhost, with its key behind it in the same file."""
    both, key = folder / "upstream.pem", folder / "upstream.key"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(["openssl", "req", *kind, *names, "-keyout", key, "-out", both], check=True, capture_output=True)
    with both.open("a") as file:
        file.write(key.read_text())
    return both


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Proxy:
    """mitmproxy with the addon, in a process of its own.

    Args:
        folder: where its configuration and its output go.
        settings: options, by name.
        arguments: more arguments of mitmdump.
        command: what to run instead of this environment's mitmdump with the addon.
        environment: variables to set.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, str],
        arguments: tuple[str, ...] = (),
        command: tuple[str, ...] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.out, self.err = folder / "proxy.out", folder / "proxy.err"
        command = command or (str(Path(sys.executable).with_name("mitmdump")), "-s", str(ADDON))
        settings = {"confdir": str(folder), "flow_detail": "0", "listen_host": "127.0.0.1", **settings}
        command = (*command, "-p", str(self.port), *arguments)
        for name, value in settings.items():
            command += ("--set", f"{name}={value}")
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=os.environ | (environment or {}))

    def wait(self) -> None:
        """Until it listens."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the proxy does not listen\n{self.said()}")

    def said(self) -> str:
        """All that it and its companion printed."""
        return self.out.read_text("utf-8", "replace") + self.err.read_text("utf-8", "replace")

    def until(self, text: str, seconds: float = 15.0) -> str:
        """What it printed, as soon as that holds a text."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if text in (said := self.said()):
                return said
            time.sleep(0.05)
        raise AssertionError(f"{text!r} was not printed within {seconds} s\n{self.said()}")

    def companion(self) -> int | None:
        """The process id of its companion."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next((int(child) for child in children), None)

    def kill(self, *, companion: bool) -> None:
        """Kill it at once, with its companion or without."""
        victims = [self.process.pid, self.companion() if companion else None]
        for victim in victims:
            if victim:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
        self.process.wait()

    def end(self, how: int = signal.SIGINT) -> int:
        """Ctrl-C; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(60)


@contextlib.contextmanager
def running(*arguments: object, **named: object) -> Iterator[Proxy]:
    """A proxy that listens, and that has ended afterwards."""
    proxy = Proxy(*arguments, **named)  # type: ignore[arg-type]
    try:
        proxy.wait()
        yield proxy
    finally:
        proxy.end()


class Client:
    """Sends requests through a proxy over one connection that stays open."""

    def __init__(self, proxy_port: int, server_port: int) -> None:
        self._server = server_port
        self._socket = socket.create_connection(("127.0.0.1", proxy_port), timeout=20)
        self._stream = self._socket.makefile("rb")

    def request(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            ConnectionError: the connection ended before the answer did.
        """
        lines = {"Host": f"127.0.0.1:{self._server}", "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._socket.sendall(f"{method} http://127.0.0.1:{self._server}{path} HTTP/1.1\r\n{head}\r\n{body}".encode())
        status = self._line()
        length = 0
        while (line := self._line()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer = self._stream.read(length)
        if len(answer) < length:
            raise ConnectionError("cut off")
        return int(status.split()[1]), answer

    def _line(self) -> bytes:
        line = self._stream.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("cut off")
        return line

    def redeem(self, code: str, **more: str) -> tuple[int, bytes]:
        """A token request."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": "web",
            "redirect_uri": "https://app.test/cb",
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", "/oauth2/token", urlencode({**form, **more}), headers)

    def close(self) -> None:
        self._stream.close()
        self._socket.close()
