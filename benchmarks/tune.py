"""What each weight does: ``make tune``.

For every sign and concept of every cause, over the causes' own examples, the samples and, where they lie beside the
project, the labelled cases: how often it speaks for a right cause and for a wrong one, and how many answers would be
lost and gained without it. Then how well confidence is calibrated, and which temperature would fit best.

Nothing is written: weights stand in ``oauthtrace/causes/``, and whoever changes one looks here before and after.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from oauthtrace import diagnose
from oauthtrace.analysis import Analysis, analyze
from oauthtrace.causes import causes, expression
from oauthtrace.oauth import messages

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
KEY = bytes(range(32))
sys.path.insert(0, str(ROOT / "tests"))


@dataclass
class Failures:
    """Root failures with what is known of them: one row each, and the causes that are right for it."""

    rows: list[pl.DataFrame] = field(default_factory=list)
    right: list[set[str]] = field(default_factory=list)

    def add(self, analysis: Analysis, right: set[str]) -> None:
        roots = analysis.failures.filter(pl.col("caused_by").is_null())
        if roots.height:
            self.rows.append(roots.tail(1).drop(diagnose.RESULT))
            self.right.append(right)


def of_examples(into: Failures) -> None:
    from conftest import analyse_example

    for cause in causes().values():
        for example in cause.examples:
            with tempfile.TemporaryDirectory() as folder:
                into.add(analyse_example(Path(folder), dict(example)), {cause.id})


def of_cases(into: Failures) -> None:
    spec = importlib.util.spec_from_file_location("score", SHARED / "score.py")
    if spec is None or spec.loader is None or not (SHARED / "score.py").exists():
        return
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    for file in sorted((SHARED / "cases").glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            case = json.loads(line)
            if case["cause"] == "none":
                continue
            with tempfile.TemporaryDirectory() as folder:
                found = analyze([score.write(case, Path(folder))], key=KEY)
                into.add(found, {case["cause"], *(case.get("also_accept") or ())})


@dataclass(frozen=True)
class Voice:
    """One weight of one cause, and for each failure how many nats it adds there."""

    cause: str
    what: str
    weight: float
    nats: list[float]


def voices(read: pl.DataFrame) -> Iterator[Voice]:
    said = [set(messages.read(mask)) for mask in read["mask"]]
    for cause in causes().values():
        for sign in cause.signs:
            fired = read.select(expression(sign.when).alias("fired"))["fired"].to_list()
            yield Voice(cause.id, sign.when, sign.weight, [sign.weight * hit for hit in fired])
        for concept, weight in cause.said.items():
            subject, _, predicate = concept.partition(" ")
            hits = [
                concept in heard
                or (predicate == "any" and any(c.startswith(f"{subject} ") and c not in cause.said for c in heard))
                for heard in said
            ]
            yield Voice(cause.id, f"says: {concept}", weight, [weight * hit for hit in hits])


def verdicts(voice: Voice, scores: list[dict[str, float]], right: list[set[str]]) -> dict[str, int]:
    """How often it speaks for the right and for a wrong cause, and what its silence would lose and gain."""
    out = dict.fromkeys(("for", "against", "lost", "gained"), 0)
    for nats, row, good in zip(voice.nats, scores, right, strict=True):
        if not nats:
            continue
        out["for" if (voice.cause in good) == (nats > 0) else "against"] += 1
        best = max(row, key=lambda name: row[name])
        without = {**row, voice.cause: row[voice.cause] - nats}
        then = max(without, key=lambda name: without[name])
        out["lost"] += best in good and then not in good
        out["gained"] += best not in good and then in good
    return out


def confidence(row: dict[str, float], temperature: float) -> tuple[str, float]:
    best = max(row, key=lambda name: row[name])
    total = sum(math.exp((value - row[best]) / temperature) for value in row.values())
    return best, 1 / total


def loss(scores: list[dict[str, float]], right: list[set[str]], temperature: float) -> float:
    """Mean negative log-likelihood of the winner being right or wrong, in nats."""
    total = 0.0
    for row, good in zip(scores, right, strict=True):
        best, share = confidence(row, temperature)
        share = min(max(share, 0.01), 0.99)
        total -= math.log(share if best in good else 1 - share)
    return total / len(scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cause", help="only this cause or family")
    parser.add_argument("--all", action="store_true", help="also weights that change no answer")
    parser.add_argument("--json", action="store_true", help="as JSON lines")
    given = parser.parse_args()
    failures = Failures()
    of_examples(failures)
    of_cases(failures)
    read = diagnose.with_concepts(pl.concat(failures.rows, how="diagonal_relaxed"))
    scores = diagnose.score(read).rows(named=True)
    rows: list[dict[str, Any]] = [
        {"cause": voice.cause, "what": voice.what, "weight": voice.weight, **verdicts(voice, scores, failures.right)}
        for voice in voices(read)
        if not given.cause or voice.cause.startswith(given.cause)
    ]
    shown = [row for row in rows if given.all or row["lost"] or row["gained"] or row["against"]]
    shown.sort(key=lambda row: (row["lost"] - row["gained"], -row["against"], row["cause"]))
    if given.json:
        sys.stdout.write("".join(json.dumps(row) + "\n" for row in shown))
        return
    table = Table("cause", "sign or concept", "nats", "for", "against", "lost without", "gained without")
    for row in shown:
        what = row["what"] if len(row["what"]) < 70 else row["what"][:69] + "…"
        table.add_row(
            row["cause"], what, f"{row['weight']:+g}", *(str(row[k]) for k in ("for", "against", "lost", "gained"))
        )
    console = Console(width=None if sys.stdout.isatty() else 180)
    console.print(table, markup=False)
    unheard = sum(not (row["for"] or row["against"]) for row in rows)
    told = sum(confidence(row, 1.0)[0] in good for row, good in zip(scores, failures.right, strict=True))
    console.print(f"{told} of {len(scores)} failures are told right; {unheard} of {len(rows)} weights never spoke.")
    fitted = min((t / 20 for t in range(10, 61)), key=lambda t: loss(scores, failures.right, t))
    console.print(
        f"Temperature {diagnose.TEMPERATURE:g}: loss {loss(scores, failures.right, diagnose.TEMPERATURE):.3f} nats;"
        f" {fitted:g} would have {loss(scores, failures.right, fitted):.3f}."
    )


if __name__ == "__main__":
    main()
