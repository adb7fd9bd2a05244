"""What was captured as a HAR file without secrets, ready to attach to a ticket.

The file is a whole HAR after every entry: the end of the document is written behind each, and overwritten by the next.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mitmproxy.addons.savehar import SaveHar

from oauthtrace.capture import redact

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow

    from oauthtrace.privacy import Redactor

_CREATOR = {"name": "oauthtrace", "version": version("oauthtrace"), "comment": "secrets replaced by keyed fingerprints"}
_BEGIN = b'{"log": {"version": "1.2", "creator": %s, "pages": [], "entries": [\n' % json.dumps(_CREATOR).encode()
_END = b"\n]}}\n"


class RedactedHar:
    """A HAR file that grows entry by entry. What can't be written is left out, and the file stays whole.

    Args:
        path: the file, written anew.
        redactor: replaces secrets.

    Raises:
        OSError: the file can't be written.
    """

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._redactor = redactor
        self._file: BinaryIO = path.open("wb", buffering=0)
        self._file.write(_BEGIN + _END)
        self._size, self._entries = len(_BEGIN), 0
        self._maker = SaveHar()

    def add(self, flow: HTTPFlow) -> None:
        """Append one flow."""
        try:
            entry = scrubbed(self._maker.flow_entry(flow, set()), self._redactor)
            text = b",\n" * bool(self._entries) + json.dumps(entry).encode()
            self._file.seek(self._size)
            if self._file.write(text + _END) == len(text) + len(_END):
                self._size += len(text)
                self._entries += 1
                return
            self._file.seek(self._size)
            self._file.write(_END)
            self._file.truncate()
        except Exception:  # noqa: BLE001 - hostile input or a full disk must not disturb the traffic
            return

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()


def scrubbed(entry: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """A HAR entry, as mitmproxy makes it, with every secret replaced."""
    request, response = entry["request"], entry["response"]
    request["url"] = redactor.url(request["url"])
    for message in (request, response):
        for header in message["headers"]:
            header["value"] = redact.header(header["name"], header["value"], redactor)
        for cookie in message["cookies"]:
            cookie["value"] = redactor.fingerprint("cookie", cookie["value"]) or ""
    request["queryString"] = _pairs(request["queryString"], redactor)
    if (sent := request.get("postData")) is not None:
        sent["params"] = _pairs(sent["params"], redactor)
        sent["text"] = redact.body(sent["text"] or "", sent["mimeType"].lower(), redactor)
    response["redirectURL"] = redactor.url(response["redirectURL"])
    if response.get("_error"):
        response["_error"] = redactor.text(response["_error"])
    content = response["content"]
    if content.get("encoding") == "base64":
        content.pop("encoding")
        content["text"], content["comment"] = "", "binary, left out"
    elif content.get("text"):
        content["text"] = redact.body(content["text"], content["mimeType"].lower(), redactor)
    entry.pop("_webSocketMessages", None)
    return entry


def _pairs(listed: list[dict[str, str]], redactor: Redactor) -> list[dict[str, str]]:
    shown = redact.parameters([(pair["name"], pair["value"]) for pair in listed], redactor)
    return [{"name": name, "value": value} for name, value in shown]
