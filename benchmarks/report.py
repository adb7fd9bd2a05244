"""`make bench`, second part: how long the HTML report takes, how much memory, how big it is, how soon it is on the screen.

The analysis that is reported is made in another process and kept in files which the measured process maps, so that its
peak memory is that of rendering: of the analysis, only what rendering looks at.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench import BUILD, Row, failed_exchanges, table, timed


class Bar(NamedTuple):
    """What a report of so many failures may take."""

    failures: int
    seconds: float
    memory_mb: float
    html_mb: float


BARS = (Bar(1_000, 1.0, 1024, 1.0), Bar(1_000_000, 15.0, 1024, 5.0))
MOST_PAINT_S = 1.0


def render(bar: Bar) -> tuple[Row, Path]:
    folder = BUILD / f"report-{bar.failures}"
    subprocess.run([sys.executable, __file__, "--make-here", str(bar.failures), str(folder)], check=True)
    page = folder / "report.html"
    _, memory, out = timed([sys.executable, __file__, "--render-here", str(folder), str(page)], 1)
    told = json.loads(out)
    size = page.stat().st_size / 1e6
    good = told["seconds"] <= bar.seconds and memory <= bar.memory_mb and size <= bar.html_mb
    note = f"{size:.2f} MB of HTML; {told['verdict']}"
    return Row(f"{bar.failures:,} failures, rendered", None, told["seconds"], memory, note, good), page


def make_here(failures: int, folder: Path) -> None:
    """Two failed requests in three, so that there is a base rate to compare with; written where it can be mapped."""
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
    from oauthtrace.report import render as render_report

    frames = [pl.read_ipc(folder / f"{name}.arrow") for name in ("exchanges", "failures")]
    held = memory_mb("VmRSS", reset=True)
    began = time.perf_counter()
    html = render_report(Analysis(frames[0], frames[1], []))
    seconds = time.perf_counter() - began
    memory = memory_mb("VmHWM") - held
    page.write_text(html, encoding="utf-8")
    verdict = html.partition("<title>")[2].partition("</title>")[0]
    sys.stdout.write(
        json.dumps(
            {"seconds": seconds, "verdict": verdict, "failures": frames[1].height, "memory": memory, "held": held}
        )
    )


def memory_mb(name: str, *, reset: bool = False) -> float:
    """A figure of this process's memory as Linux keeps it; ``reset`` lets the peak begin anew."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


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
