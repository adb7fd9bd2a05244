"""Killed at any moment, the capture loses nothing whose answer the client has seen, and holds nothing twice."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest
from capture_proxy import Client, Proxy, upstream
from conftest import KEY

from oauthtrace.capture import journal
from oauthtrace.privacy import Redactor
from oauthtrace.store import Store

pytest.importorskip("mitmproxy", reason="capture needs mitmproxy (extra capture)")

ROUNDS = int(os.environ.get("OAUTHTRACE_CRASHES", "4"))
"""So many times the proxy is killed; 50 before a release."""
CLIENTS = 4


class Load:
    """Clients that redeem codes as fast as they can, and remember which answers they saw."""

    def __init__(self, proxy_port: int, server_port: int, name: str) -> None:
        self.answered: list[str] = []
        self._ports, self._name = (proxy_port, server_port), name
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        try:
            client = Client(*self._ports)
            for count in range(100_000):
                code = f"code-{self._name}-{number}-{count}"
                client.redeem(code)
                self.answered.append(code)
        except OSError:
            return

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


def test_nothing_that_was_answered_is_lost_and_nothing_is_there_twice(tmp_path: Path) -> None:
    database, dice = tmp_path / "kept.duckdb", random.Random(os.environ.get("OAUTHTRACE_SEED", "7"))
    answered: list[str] = []
    with upstream() as server:
        for number in range(ROUNDS):
            proxy = Proxy(tmp_path, {"oauthtrace_db": str(database)})
            proxy.wait()
            load = Load(proxy.port, server, f"round{number}")
            time.sleep(dice.uniform(0.05, 3.0))
            proxy.kill(companion=dice.random() < 0.7)
            load.join()
            answered += load.answered
    with Store(database) as store:
        kept = store.exchanges()
    fingerprint = Redactor(KEY).fingerprint
    missing = {fingerprint("code", code) for code in answered} - set(kept["code_fp"])
    assert answered, "no request was answered before the proxy was killed"
    assert not missing, f"{len(missing)} of {len(answered)} answered exchanges are not in the database"
    assert kept["id"].is_unique().all(), "an id is in the database twice"
    assert kept.select("code_fp", "time").is_unique().all(), "an exchange is in the database twice"
    deadline = time.monotonic() + 20
    while (
        journal.files_of(database) and time.monotonic() < deadline
    ):  # a companion that was not killed ends in a moment
        time.sleep(0.1)
    assert not journal.files_of(database), "a journal that was taken in lies there still"
