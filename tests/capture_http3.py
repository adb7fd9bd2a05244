"""A client and a server of HTTP/3 (RFC 9114), on the QUIC library that mitmproxy itself uses."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from capture_proxy import EXPIRED, certificate, free_port

FORM = b"application/x-www-form-urlencoded"
ANSWER_S = 10.0


class Peer(QuicConnectionProtocol):
    """One end of a connection; collects what comes in each stream."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.http = H3Connection(self._quic)
        self.streams: dict[int, tuple[list[tuple[bytes, bytes]], bytearray]] = {}

    def quic_event_received(self, event: Any) -> None:
        for part in self.http.handle_event(event):
            headers, body = self.streams.setdefault(part.stream_id, ([], bytearray()))
            if isinstance(part, HeadersReceived):
                headers += part.headers
            elif isinstance(part, DataReceived):
                body += part.data
            if part.stream_ended:
                self.complete(part.stream_id)

    def complete(self, stream: int) -> None:
        """A whole message came in a stream."""
        raise NotImplementedError

    def send(self, stream: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.http.send_headers(stream, headers)
        self.http.send_data(stream, body, end_stream=True)
        self.transmit()


class Server(Peer):
    """Refuses every token request."""

    def complete(self, stream: int) -> None:
        self.send(stream, [(b":status", b"400"), (b"content-type", b"application/json")], EXPIRED)


class Client(Peer):
    """Sends one token request."""

    def complete(self, stream: int) -> None:
        self.status.set_result(int(dict(self.streams[stream][0])[b":status"]))

    async def redeem(self, authority: str, form: str) -> int:
        self.status = asyncio.get_running_loop().create_future()
        start = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", authority.encode())]
        headers = [*start, (b":path", b"/oauth2/token"), (b"content-type", FORM)]
        self.send(self._quic.get_next_available_stream_id(), headers, form.encode())
        return await asyncio.wait_for(self.status, ANSWER_S)


def redeem(port: int, authority: str, form: str) -> int:
    """The status of the answer to a token request."""

    async def run() -> int:
        settings = QuicConfiguration(alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE, server_name=authority)
        async with connect("127.0.0.1", port, configuration=settings, create_protocol=Client) as client:
            return await client.redeem(authority, form)

    return asyncio.run(run())


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[int]:
    """The port of a running server."""
    settings = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
    settings.load_cert_chain(certificate(folder))
    port, loop, up = free_port(), asyncio.new_event_loop(), threading.Event()

    async def run() -> None:
        await serve("127.0.0.1", port, configuration=settings, create_protocol=Server)
        up.set()

    loop.create_task(run())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    up.wait(10)
    yield port
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
