"""The proxy's side of the companion: starts it, hears of its findings, and waits for its end.

The companion is a process of its own because classifying takes tenths of a second of processor time, which in the proxy's
process would hold up the traffic. It gets the exchanges through the journal; only commands and findings pass here.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]
END_S = 30.0
"""So long the companion may take for what is left when the proxy ends."""


class Companion:
    """A running companion.

    Args:
        settings: what it shall do, see :class:`oauthtrace.capture.companion.Settings`.
        hear: called with each message, in a thread of its own.
        quiet: it prints nothing, the terminal is somebody else's.
    """

    def __init__(self, settings: Message, hear: Callable[[Message], None], *, quiet: bool) -> None:
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "oauthtrace.capture.companion", json.dumps({**settings, "messages": writing})]
        self._process = subprocess.Popen(  # noqa: S603 - this very Python
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if quiet else None,
            stderr=subprocess.DEVNULL if quiet else None,
            pass_fds=(writing,),
            start_new_session=True,  # the terminal's Ctrl-C is the proxy's, which then ends this one in order
        )
        os.close(writing)
        self._hear, self._ended = hear, False
        self._listener = threading.Thread(target=self._listen, args=(reading,), daemon=True, name="oauthtrace findings")
        self._listener.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def _listen(self, descriptor: int) -> None:
        with os.fdopen(descriptor, encoding="utf-8") as lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    self._hear(json.loads(line))
        if not self._ended:
            self._hear(
                {"warning": "the companion process has gone; traffic goes on, its journal is kept for the next opening"}
            )

    def ask(self, command: Message) -> bool:
        """Give it a command; false when it is gone."""
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def end(self) -> bool:
        """Let it finish; whether everything could be finished."""
        self._ended = True
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            code = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        self._listener.join(2)
        return code == 0
