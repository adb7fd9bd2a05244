"""What curl reports of its transfers, whichever way it is asked to: notes, heads and bodies become exchanges.

Source: https://curl.se/docs/manpage.html (``--verbose``, ``--trace``, ``--trace-ascii``, ``--trace-time``), and for the
numbers of its errors https://curl.se/libcurl/c/libcurl-errors.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources.captures.exchanges import exchange_of, header_of, served_at, status_of

_REQUEST_LINE = re.compile(r"([A-Z]{3,20}) (\S+) HTTP/[\d.]+\s*$")
_CONNECTED = re.compile(
    r"Connected to (\S+) \([^)]*\) port (\d+)|Re-using existing connection\b.*? with (?:host )?(\S+)"
)
_TLS = re.compile(r"SSL connection using|TLS handshake|\bALPN[,:]|TLSv1|SSL certificate|Server certificate")
_COULD_NOT = re.compile(
    r"Could not resolve (?:host|proxy)|Failed to connect to|[Cc]ouldn't connect|connect to \S+ port \d+ failed|timed out"
    r"|SSL certificate problem|SSL_connect|SSL_ERROR|unable to get local issuer|Empty reply|Recv failure|Connection reset"
    r"|error:[0-9A-F]{6,}|no alternative certificate|schannel:|Operation too slow",
)  # fmt: skip
_EXIT = re.compile(r"curl: \(\d+\) .+")
_SENDS = re.compile(r"\s(?:-X ?|--request[ =])([A-Z]+)|\s(?:-d|-F|--data\S*|--form\S*)[\s=]")
_COMMAND = re.compile(r"\bcurl\s.*?(https?://[^\s'\"]+)")


@dataclass(slots=True, repr=False)
class _Transfer:
    position: int
    sent: list[str] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    received: list[str] = field(default_factory=list)
    answer: bytearray = field(default_factory=bytearray)
    shown: bool = False
    """whether the answer's body was shown"""
    sizes: bool = False
    """whether a body was sent that is not shown"""
    trouble: str | None = None


class Transfers:
    """The transfers of one report, as its parts are told.

    Args:
        sees: what this kind of report shows of a request, bodies of answers aside.
    """

    def __init__(self, sees: tuple[str, ...]) -> None:
        self._sees = sees
        self._schemes: dict[str, str] = {}
        self._host, self._tls = "", False
        self._command: str | None = None
        self._method = "GET"
        self._now: _Transfer | None = None
        self._trouble: tuple[int, str] | None = None

    def note(self, text: str, position: int) -> Iterator[tuple[int, RawExchange]]:
        """A line of what curl did."""
        if match := _CONNECTED.search(text):
            self._host, self._tls = (match[1] or match[3]).lower(), match[2] == "443"
        elif _TLS.search(text):
            self._tls = True
        if _COULD_NOT.search(text) or _EXIT.match(text):
            if self._now is not None and not self._now.received:
                self._now.trouble = text.strip()
            elif self._now is None:
                self._trouble = (position if self._trouble is None else self._trouble[0], text.strip())
        if _EXIT.match(text):
            yield from self.end()

    def command(self, text: str) -> None:
        """A command line, as a shell shows it: it names the URL of a transfer that never came to a request."""
        if match := _COMMAND.search(text):
            self._command, data = match[1], _SENDS.search(text)
            self._method = (data[1] or "POST") if data else "GET"

    def sent_head(self, lines: list[str], position: int) -> Iterator[tuple[int, RawExchange]]:
        """Lines of a request's head; the request line begins a new transfer."""
        for line in lines:
            if _REQUEST_LINE.match(line):
                yield from self.end()
                self._now = _Transfer(position)
            if self._now is not None and line:
                self._now.sent.append(line)

    def sent_data(self, data: bytes | None) -> None:
        """A part of a request's body; None where only its size is told."""
        if self._now is not None and not self._now.received:
            self._now.data += data or b""
            self._now.sizes = self._now.sizes or data is None

    def received_head(self, lines: list[str], position: int) -> Iterator[tuple[int, RawExchange]]:
        """Lines of an answer's head; one of 1xx is followed by another."""
        for line in lines:
            if status_of(line) is not None:
                if self._now is not None and self._now.received and (status_of(self._now.received[0]) or 0) >= 200:
                    yield from self.end()
                self._now = self._now or _Transfer(position)
                self._now.received.clear()
            if self._now is not None and line:
                self._now.received.append(line)

    def received_data(self, data: bytes) -> None:
        """A part of an answer's body."""
        if self._now is not None and self._now.received:
            self._now.answer += data
            self._now.shown = True

    @property
    def in_answer(self) -> bool:
        """Whether an answer's head was told last."""
        return self._now is not None and bool(self._now.received)

    def end(self) -> Iterator[tuple[int, RawExchange]]:
        """The transfer that was told of last."""
        now, self._now = self._now, None
        if now is not None:
            yield now.position, self._exchange(now)
        elif self._trouble is not None and self._command is not None:
            position, why = self._trouble
            yield position, RawExchange(self._method, self._command, transport_error=why, sees=("query",))
        if now is not None or self._trouble is not None:
            self._trouble = self._command = None

    def _exchange(self, now: _Transfer) -> RawExchange:
        request = "\r\n".join(now.sent).encode() + b"\r\n\r\n" + bytes(now.data)
        answer = "\r\n".join(now.received).encode() + b"\r\n\r\n" + bytes(now.answer) if now.received else b""
        raw = exchange_of(request if now.sent else b"", answer, self._url(now), sees=self._seen(now))
        raw.method = raw.method if now.sent else ""
        raw.transport_error = None if raw.status else (now.trouble or "no answer")
        raw.time = served_at(raw.answer_headers)
        return raw

    def _seen(self, now: _Transfer) -> tuple[str, ...]:
        if not now.sent:
            return ("answer", "location")
        hidden = {"body"} if now.sizes and not now.data else set()
        hidden |= set() if now.shown or not now.received else {"answer"}
        return tuple(word for word in self._sees if word not in hidden)

    def _url(self, now: _Transfer) -> str:
        target = now.sent[0].split(" ")[1] if now.sent else ""
        if "://" in target.partition("?")[0] or not target:
            return target
        headers = {name.lower(): value for line in now.sent[1:] if (pair := header_of(line)) for name, value in (pair,)}
        host = headers.get("host", self._host)
        if self._command and self._command.split("/")[2].rpartition("@")[2].lower() == host.lower():
            return f"{self._command.split('://')[0]}://{host}{target}"
        if self._tls or host.endswith(":443"):
            self._schemes[host] = "https"
        return f"{self._schemes.get(host, 'http')}://{host}{target}"
