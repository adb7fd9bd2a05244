"""`make bench`: how long oauthtrace needs for a big log against ripgrep counting the lines that may be OAuth.

Machines differ, so what is judged is the ratio of two runs on the same machine, one after the other, both warm. Each
analysis is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import logs

from oauthtrace.oauth.endpoints import CANDIDATE

if TYPE_CHECKING:
    import polars as pl

BUILD = Path(__file__).parent.parent / "build" / "bench"
MOST_RATIO, LATER_RATIO = 12.0, 8.0
MOST_MEMORY_MB = 1024
MOST_CLASSIFY_S = 20.0
OAUTHTRACE = str(Path(sys.executable).with_name("oauthtrace"))


class Row(NamedTuple):
    """One line of the table."""

    what: str
    floor_s: float | None
    ours_s: float
    memory_mb: float
    note: str
    good: bool


def timed(command: list[str], runs: int) -> tuple[float, float, str]:
    """Median seconds, highest peak memory in MB, and the output of a command."""
    seconds, memory, out = [], 0.0, ""
    for _ in range(runs):
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        out = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds.append(time.perf_counter() - began)
        if child.returncode:
            sys.exit(f"{' '.join(command)[:200]}: exit code {child.returncode}")
        memory = max(memory, usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10))
    return statistics.median(seconds), memory, out.strip()


def against_ripgrep(what: str, file: Path, floor: list[str]) -> Row:
    file.read_bytes()  # into the page cache, for both
    floor_s, _, lines = timed(floor, 5)
    ours_s, memory, found = timed([OAUTHTRACE, "analyze", str(file)], 3)
    verdict = next((line.partition("   ")[0] for line in found.splitlines() if " fail" in line), "nothing failed")
    note = f"{int(lines):,} lines pass; {verdict}"
    return Row(what, floor_s, ours_s, memory, note, ours_s <= floor_s * MOST_RATIO and memory <= MOST_MEMORY_MB)


def nginx(megabytes: int) -> Row:
    file = logs.make(BUILD, "nginx-combined", megabytes)
    return against_ripgrep(f"nginx combined, {megabytes} MB", file, ["rg", "-c", "-i", CANDIDATE, str(file)])


def json_lines(megabytes: int) -> Row:
    file = logs.make(BUILD, "json-access", megabytes)
    return against_ripgrep(f"JSON lines, {megabytes} MB", file, ["rg", "-c", "-i", CANDIDATE, str(file)])


def gzipped(megabytes: int) -> Row:
    file = logs.packed(logs.make(BUILD, "nginx-combined", megabytes))
    return against_ripgrep(
        "the same nginx log as .gz", file, ["sh", "-c", 'zcat "$1" | rg -c -i "$2"', "sh", str(file), CANDIDATE]
    )


def others(megabytes: int) -> list[Row]:
    """Formats beside nginx's, lines of text and of JSON."""
    files = {form: logs.make(BUILD, form, megabytes) for form in logs.OTHERS}
    return [
        against_ripgrep(f"{form}, {megabytes} MB", file, ["rg", "-c", "-i", CANDIDATE, str(file)])
        for form, file in files.items()
    ]


def classify(rows: int) -> Row:
    """Analysis of failed exchanges that are in memory: flows, context, ranking, evidence."""
    _, memory, out = timed([sys.executable, __file__, "--classify-here", str(rows)], 1)
    told = json.loads(out)
    return Row(
        f"{rows:,} failed exchanges, classified",
        None,
        told["seconds"],
        memory,
        f"{told['causes']} causes",
        told["seconds"] <= MOST_CLASSIFY_S * rows / 1e6,
    )


def failed_exchanges(rows: int) -> pl.DataFrame:
    """Failed token requests of 40 clients, one every 80 ms, for seven reasons."""
    import polars as pl

    from oauthtrace import exchange

    at = datetime(2026, 5, 4)  # noqa: DTZ001 - the schema's times are naive UTC
    kinds: list[dict[str, object]] = [
        {
            "error": "invalid_grant",
            "grant_type": "authorization_code",
            "error_description": "The authorization code has expired",
            "status": 400,
        },
        {
            "error": "invalid_grant",
            "grant_type": "refresh_token",
            "error_description": "Refresh token was revoked",
            "status": 400,
        },
        {
            "error": "invalid_client",
            "grant_type": "client_credentials",
            "error_description": "Client authentication failed",
            "status": 401,
        },
        {
            "error": "invalid_scope",
            "grant_type": "client_credentials",
            "error_description": "Scope orders:write is not allowed",
            "status": 400,
        },
        {"error": "invalid_grant", "grant_type": "authorization_code", "error_description": None, "status": 400},
        {"error": None, "grant_type": "authorization_code", "error_description": None, "status": 503},
        {
            "error": "unauthorized_client",
            "grant_type": "password",
            "error_description": "Grant type not allowed for this client",
            "status": 400,
        },
    ]
    base = pl.DataFrame(kinds).with_row_index("kind")
    facts = {
        "step": "token", "method": "POST", "scheme": "https", "host": "id.example.com", "path": "/oauth2/token", "url": "https://id.example.com/oauth2/token",
        "source_file": "made.log", "source_format": "har", "answer_type": "application/json", "auth_method": "client_secret_basic",
    }  # fmt: skip
    number = pl.int_range(rows, dtype=pl.Int64)
    made = (
        pl.select(n=number)
        .with_columns(kind=(pl.col("n") * 2654435761 % len(kinds)).cast(pl.UInt32))
        .join(base, on="kind", how="left", maintain_order="left")
        .with_columns(
            id=pl.concat_str(pl.lit("x"), pl.col("n").cast(pl.String)),
            source_position=pl.col("n"),
            time=pl.lit(at) + pl.duration(milliseconds=pl.col("n") * 80),
            client_id=pl.concat_str(pl.lit("client-"), (pl.col("n") % 40).cast(pl.String)),
            client_address=pl.concat_str(pl.lit("203.0.113."), (pl.col("n") % 200).cast(pl.String)),
            code_fp=pl.when(pl.col("grant_type") == "authorization_code").then(
                pl.concat_str(pl.lit("code:"), pl.col("n").cast(pl.String))
            ),
            refresh_token_fp=pl.when(pl.col("grant_type") == "refresh_token").then(
                pl.concat_str(pl.lit("refresh:"), pl.col("n").cast(pl.String))
            ),
            message=pl.concat_str(
                "error",
                pl.lit(" | "),
                pl.col("error_description"),
                pl.lit(" (trace "),
                (pl.col("n") % 5000).cast(pl.String),
                pl.lit(")"),
                ignore_nulls=True,
            ),
            sees=pl.lit(["query", "headers", "authorization", "body", "answer", "location"]),
            facts=pl.lit(["no scope"]),
            **{name: pl.lit(value) for name, value in facts.items()},
        )
    )
    return made.with_columns(
        pl.lit(None, dtype=t).alias(c) for c, t in exchange.SCHEMA.items() if c not in made.columns
    ).select(pl.col(c).cast(t) for c, t in exchange.SCHEMA.items())


def classify_here(rows: int) -> None:
    from oauthtrace.analysis import analyze_frame

    frame = failed_exchanges(rows)
    began = time.perf_counter()
    analysis = analyze_frame(frame)
    seconds = time.perf_counter() - began
    assert analysis.failures.height == rows, f"{rows - analysis.failures.height} rows are not seen as failed"
    sys.stdout.write(json.dumps({"seconds": seconds, "causes": analysis.failures["cause"].n_unique()}))


def table(rows: list[Row]) -> str:
    lines = [f"{'what':<40}{'ripgrep':>10}{'oauthtrace':>12}{'ratio':>8}{'memory':>10}   {'':<5} found"]
    for row in rows:
        floor = f"{row.floor_s:.2f} s" if row.floor_s else "-"
        ratio = f"{row.ours_s / row.floor_s:.1f}x" if row.floor_s else "-"
        lines.append(
            f"{row.what:<40}{floor:>10}{f'{row.ours_s:.2f} s':>12}{ratio:>8}{f'{row.memory_mb:.0f} MB':>10}   {'ok' if row.good else 'OVER':<5} {row.note}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--failures", type=int, default=1_000_000)
    parser.add_argument("--only", choices=("nginx", "json", "gz", "formats", "classify"))
    parser.add_argument("--classify-here", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.classify_here:
        classify_here(given.classify_here)
        return 0
    jobs: dict[str, Callable[[], list[Row]]] = {
        "nginx": lambda: [nginx(given.megabytes)],
        "json": lambda: [json_lines(given.megabytes)],
        "gz": lambda: [gzipped(given.megabytes)],
        "formats": lambda: others(given.megabytes),
        "classify": lambda: [classify(given.failures)],
    }
    compileall.compile_dir(Path(__file__).parent.parent / "oauthtrace", quiet=1)  # as it is where it was installed
    rows = [row for name, job in jobs.items() if given.only in (None, name) for row in job()]
    print(table(rows))
    print(
        f"Bars: at most {MOST_RATIO:g}x of ripgrep (aim {LATER_RATIO:g}x), {MOST_MEMORY_MB} MB, {MOST_CLASSIFY_S:g} s a million failures."
    )
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
