"""The real authorization server and applications of sample_logs/make, with `oauthtrace capture` between them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sample_logs.make.lab import HERE, Lab, wait_for
from sample_logs.make.scenarios import SCENARIOS, Scenario

_HEAD = re.compile(r"(\d\d:\d\d:\d\d)  ([a-z-]+/[a-z-]+)(.*)")


@dataclass(frozen=True)
class Told:
    """A cause that was printed: when (epoch seconds), of which second of the capture, and how."""

    printed: float
    second: str
    cause: str
    rest: str


@dataclass
class Run:
    """Scenarios played once: the time of each, what was printed, and the database."""

    database: Path
    exit_code: int = -1
    played: list[tuple[Scenario, float, float]] = field(default_factory=list)
    lines: list[tuple[float, str]] = field(default_factory=list)

    def told(self, began: float, ended: float) -> list[Told]:
        """What was printed of the exchanges of a stretch of time."""
        seconds = {f"{datetime.fromtimestamp(t, UTC):%H:%M:%S}" for t in range(int(began), int(ended) + 1)}
        heads = ((at, _HEAD.match(line)) for at, line in self.lines)
        found = [Told(at, *match.groups()) for at, match in heads if match]
        return [
            told
            for told in found
            if told.second in seconds and told.printed >= began and "needs no mending" not in told.rest
        ]


class CapturedLab(Lab):
    """The lab, observed by `oauthtrace capture` in place of a plain mitmdump."""

    def __init__(self, directory: Path, run: Run) -> None:
        super().__init__(directory, code_lifetime=2)
        self.run = run

    def start_mitmdump(self) -> None:
        settings: dict[str, Any] = {
            "confdir": self.directory,
            "listen_host": "127.0.0.1",
            "ssl_verify_upstream_trusted_ca": self.directory / "authority.pem",
        }
        command = [str(Path(sys.executable).with_name("oauthtrace")), "capture", "--db", str(self.run.database), "--"]
        command += ["-p", str(self.ports["proxy"]), "-s", str(HERE / "names.py")]
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        environment = os.environ | {"ACME_HTTP": str(self.ports["http"]), "ACME_HTTPS": str(self.ports["https"])}
        with (self.directory / "capture.err").open("w") as errors:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        listener = threading.Thread(target=self._listen, args=(process.stdout,))
        listener.start()

        def end() -> None:
            process.send_signal(signal.SIGINT)
            self.run.exit_code = process.wait(60)
            listener.join()

        self.stack.callback(end)
        wait_for(self.ports["proxy"])

    def _listen(self, stream: Any) -> None:
        for line in stream:
            self.run.lines.append((time.time(), line.rstrip()))


def play(directory: Path) -> Run:
    """Play every family of failures; each begins with sign-ins that work."""
    run = Run(directory / "kept.duckdb")
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere), CapturedLab(directory, run) as lab:  # noqa: PTH123
        time.sleep(3)  # the companion has loaded what it needs
        for scenario in (scenario for scenario in SCENARIOS if scenario.file != "healthy"):
            began = time.time()
            scenario.play(lab)
            time.sleep(0.05)
            run.played.append((scenario, began, time.time()))
        time.sleep(1.5)
    return run


def failures_between(failures: Any, began: float, ended: float) -> Iterator[dict[str, Any]]:
    """Rows of the failures of a stretch of time."""
    for row in failures.iter_rows(named=True):
        if began <= row["time"].replace(tzinfo=UTC).timestamp() <= ended:
            yield row
