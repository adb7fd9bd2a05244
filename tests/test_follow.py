"""``ingest --follow``: files that grow, rotate and appear, and standard input, by the real program and its signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import KEY

from oauthtrace.store import Store, StoreError

LINE = '203.0.113.7 - - [04/May/2026:10:00:{:02d} +0000] "GET /callback?error=access_denied&state=abcdefgh HTTP/1.1" 403 12 "-" "Mozilla/5.0"\n'
PATIENCE_S = 30


class Following:
    """The program, following some paths in a folder."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder, self.process = folder, process

    def write(self, name: str, text: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(text)

    def held(self) -> int:
        for _ in range(50):
            try:
                return Store(self.folder / "kept.duckdb", key=KEY).exchanges().height
            except StoreError:  # it writes just now, or has not begun
                time.sleep(0.1)
        return -1

    def until(self, count: int) -> None:
        wait(lambda: self.held() == count, lambda: f"{self.held()} exchanges, not {count}; {self.ended()}")

    def ended(self) -> str:
        """What became of the program, for a failure message."""
        if self.process.poll() is None:
            return "the program runs"
        assert self.process.stderr is not None
        return f"the program ended with {self.process.returncode}: {self.process.stderr.read().decode()[-2000:]}"

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out.decode()


def wait(true: Callable[[], bool], told: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, told()
        time.sleep(0.2)


@contextmanager
def following(folder: Path, *paths: str, stdin: int | None = None) -> Iterator[Following]:
    code = "from oauthtrace.cli import main; main()"
    command = [sys.executable, "-c", code, "ingest", *paths, "--follow", "--db", "kept.duckdb"]
    process = subprocess.Popen(command, cwd=folder, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield Following(folder, process)
    finally:
        process.kill()
        process.communicate()


def test_a_file_that_grows_and_rotates_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text(LINE.format(1))
    with following(tmp_path, "access.log") as program:
        program.until(1)
        program.write("access.log", LINE.format(2))
        program.until(2)
        program.write("access.log", LINE.format(3))
        (tmp_path / "access.log").rename(tmp_path / "access.log.1")
        program.write("access.log", LINE.format(4) + LINE.format(5))
        program.until(5)
        code, out = program.end()
    assert code == 0
    assert "5 new exchanges, 5 in kept.duckdb" in out


def test_a_half_written_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text(LINE.format(1))
    with following(tmp_path, "access.log") as program:
        program.until(1)
        program.write("access.log", LINE.format(2) + LINE.format(3)[:60])
        program.until(2)
        program.write("access.log", LINE.format(3)[60:])
        program.until(3)
        code, _ = program.end(signal.SIGTERM)
    assert code == 0
    assert Store(tmp_path / "kept.duckdb", key=KEY).rejects().is_empty()


@pytest.mark.parametrize("path", [".", "*.log", "sub/**/*.log"])
def test_new_files_of_folders_and_globs_are_found(path: str, tmp_path: Path) -> None:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    place = "sub/deep/new.log" if "sub" in path else "new.log"
    with following(tmp_path, path) as program:
        wait((tmp_path / "kept.duckdb").exists, program.ended)
        program.write(place, LINE.format(1))
        program.until(1)
        code, out = program.end()
    assert code == 0
    assert "new.log" in out


def test_standard_input_is_taken_in_as_it_comes(tmp_path: Path) -> None:
    with following(tmp_path, "-", stdin=subprocess.PIPE) as program:
        pipe = program.process.stdin
        assert pipe is not None
        pipe.write(LINE.format(1).encode())
        pipe.flush()
        program.until(1)
        pipe.write(LINE.format(2).encode() + LINE.format(3).rstrip("\n").encode())
        pipe.close()
        program.process.stdin = None
        out, _ = program.process.communicate(timeout=PATIENCE_S)
    assert program.process.returncode == 0
    assert "3 new exchanges, 3 in kept.duckdb" in out.decode()


def test_the_next_run_goes_on_from_there(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text(LINE.format(1))
    with following(tmp_path, "access.log") as program:
        program.until(1)
        program.end()
    with (tmp_path / "access.log").open("a") as file:
        file.write(LINE.format(2))
    (reading,) = Store(tmp_path / "kept.duckdb", key=KEY).ingest([tmp_path / "access.log"])
    assert (reading.added, reading.exchanges) == (1, 2)
