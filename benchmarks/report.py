"""`make bench`, second part: how long the HTML report takes, how much memory, how big it is, how soon it is on the screen.

The analysis that is reported is made in another process and kept in files, which a fresh process reads and renders. The
memory that counts is what rendering takes at its peak on top of the frames that it is given; theirs is told beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple, Self

from bench import BUILD, Row, failed_exchanges, table, timed


class Bar(NamedTuple):
    """What a report of so many failures may take."""

    failures: int
    seconds: float
    memory_mb: float
    html_mb: float


BARS = (Bar(1_000, 1.0, 1024, 1.0), Bar(1_000_000, 15.0, 1024, 5.0))
MOST_PAINT_S = 1.0
AT_ONCE = "_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0"
"""Lets polars' allocator give memory back at once, so that what rendering takes does not hide in what reading has left."""


def render(bar: Bar) -> tuple[Row, Path]:
    folder = BUILD / f"report-{bar.failures}"
    subprocess.run([sys.executable, __file__, "--make-here", str(bar.failures), str(folder)], check=True)
    page = folder / "report.html"
    command = [sys.executable, __file__, "--render-here", str(folder), str(page)]
    told = json.loads(timed(command, 1)[2])
    os.environ[AT_ONCE[0]] = AT_ONCE[1]
    _, memory, out = timed(command, 1)
    del os.environ[AT_ONCE[0]]
    for frame in folder.glob("*.arrow"):  # gigabytes
        frame.unlink()
    size = page.stat().st_size / 1e6
    memory = json.loads(out)["memory"] or memory
    good = told["seconds"] <= bar.seconds and memory <= bar.memory_mb and size <= bar.html_mb
    note = f"{size:.2f} MB of HTML; {told['exchanges']:,} exchanges, frames of {told['held']:.0f} MB; {told['verdict'][:60]}…"
    return Row(f"{bar.failures:,} failures, rendered", None, told["seconds"], memory, note, good), page


def make_here(failures: int, folder: Path) -> None:
    """Two failed requests in three, so that there is a base rate to compare with."""
    import polars as pl

    from oauthtrace.analysis import analyze_frame

    folder.mkdir(parents=True, exist_ok=True)
    made = failed_exchanges(failures + failures // 2)
    works = pl.int_range(pl.len()) % 3 == 0
    told = [pl.when(~works).then(name).alias(name) for name in ("error", "error_description", "message")]
    token = pl.concat_str(pl.lit("token:"), pl.col("source_position").cast(pl.String))
    analysis = analyze_frame(
        made.with_columns(
            *told,
            status=pl.when(works).then(200).otherwise("status").cast(pl.Int32),
            issued_token_fp=pl.when(works).then(token),
        ).cast({"status": made.schema["status"]})
    )
    analysis.exchanges.write_ipc(folder / "exchanges.arrow")
    analysis.failures.write_ipc(folder / "failures.arrow")


def render_here(folder: Path, page: Path) -> None:
    import polars as pl

    from oauthtrace.analysis import Analysis
    from oauthtrace.report.page import render as render_report

    frames = [pl.read_ipc(folder / f"{name}.arrow") for name in ("exchanges", "failures")]
    with Memory() as memory:
        began = time.perf_counter()
        html = render_report(Analysis(frames[0], frames[1], []))
        seconds = time.perf_counter() - began
    page.write_text(html, encoding="utf-8")
    verdict = html.partition("<title>")[2].partition("</title>")[0]
    took = {"memory": memory.peak - memory.before, "held": memory.before}
    sys.stdout.write(json.dumps({"seconds": seconds, "verdict": verdict, "exchanges": frames[0].height, **took}))


class Memory:
    """Watches what this process holds beside mapped files, in MB; on other systems than Linux it sees nothing."""

    def __init__(self) -> None:
        self.before = self.peak = self.now()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    @staticmethod
    def now() -> float:
        status = Path("/proc/self/status")
        return int(status.read_text().partition("RssAnon:")[2].split()[0]) / 1024 if status.exists() else 0.0

    def watch(self) -> None:
        while not self.over.wait(0.01):
            self.peak = max(self.peak, self.now())

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def shown(page: Path) -> Row | None:
    """How long Chromium takes until the first screen of a page is painted and the page can be used."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(page.as_uri())
        tab.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        painted, usable = tab.evaluate(
            "[performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart]"
        )
        heap = tab.evaluate("performance.memory.usedJSHeapSize") / 1e6
        browser.close()
    seconds = max(painted, usable) / 1000
    note = f"first screen after {painted:.0f} ms, scripts ready after {usable:.0f} ms"
    return Row("the bigger one, opened in Chromium", None, seconds, heap, note, seconds <= MOST_PAINT_S)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failures", type=int, help="only so many, instead of a thousand and a million")
    parser.add_argument("--make-here", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--render-here", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make_here:
        make_here(int(given.make_here[0]), Path(given.make_here[1]))
        return 0
    if given.render_here:
        render_here(*given.render_here)
        return 0
    bars = [BARS[-1]._replace(failures=given.failures)] if given.failures else BARS
    rows, page = [], Path()
    for bar in bars:
        row, page = render(bar)
        rows.append(row)
    rows += [row for row in [shown(page)] if row]
    print(table(rows))
    print(
        "Bars: "
        + "; ".join(f"{b.failures:,} failures {b.seconds:g} s, {b.memory_mb:g} MB, {b.html_mb:g} MB HTML" for b in BARS)
        + f"; on the screen {MOST_PAINT_S:g} s."
    )
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
