"""What ``--format`` prints other than the summary: JSON, NDJSON, Markdown, SARIF 2.1.0 and JUnit XML."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from oauthtrace import __version__, incidents
from oauthtrace.causes import causes
from oauthtrace.cli.terminal import safe

if TYPE_CHECKING:
    from oauthtrace.analysis import Analysis

Member = dict[str, Any]
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def fails(found: Analysis, fail_on: str) -> bool:
    """Whether an analysis has a failure that ``--fail-on`` names: causes or families, comma-separated, or ``any``."""
    names = {name.strip() for name in fail_on.split(",") if name.strip()}
    if "any" in names:
        return not found.failures.is_empty()
    return any(cause in names or cause.partition("/")[0] in names for cause in found.failures["cause"].unique())


def as_json(found: Analysis) -> str:
    """The document ``oauthtrace/1``."""
    return json.dumps(found.to_dict(), ensure_ascii=False, indent=2)


def as_ndjson(found: Analysis) -> str:
    """One failure a line, as in the document."""
    return "".join(f"{json.dumps(failure, ensure_ascii=False)}\n" for failure in found.to_dict()["failures"])


# --- Markdown -----------------------------------------------------------------------------------------------------------


def as_markdown(found: Analysis) -> str:
    """Incidents as a table and a section each, for a ticket or a pull request."""
    from oauthtrace.cli.summary import headline  # noqa: PLC0415 - that module imports rich
    from oauthtrace.report.times import Clock  # noqa: PLC0415

    if found.exchanges.is_empty():
        return "# No OAuth exchange found\n"
    clock = Clock(found.exchanges["time"].min(), found.exchanges["time"].max())  # type: ignore[arg-type]
    table = incidents.find(found.failures, found.exchanges).table
    lines = [f"# {headline(found, table, clock)}", ""]
    if clock.whole():
        lines += [f"{clock.whole()}", ""]
    if table.height:
        lines += ["| failures | cause | client | server | from | to | |", "|--:|---|---|---|---|---|---|"]
    rows = list(table.iter_rows(named=True))
    for row in rows:
        cells = (
            f"{row['count']:,}",
            row["cause"],
            row["client"] or "",
            row["provider"] or row["host"] or "",
            clock(row["first"]),
            clock(row["last"]),
            "proved" if row["proof"] else f"{row['confidence']:.0%}",
        )
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    examples = {
        row["id"]: row
        for row in found.failures.filter(pl.col("id").is_in(table["example"].implode())).iter_rows(named=True)
    }
    for row in rows:
        cause, example = causes()[row["cause"]], examples[row["example"]]
        lines += [
            "",
            f"## {cause.id}: {_cell(row['client'] or row['host'] or 'unknown client')}",
            "",
            *(f"- {_cell(sentence)}" for sentence in example["evidence"]),
        ]
        lines += [
            "",
            f"**{cause.remedy.summary}**",
            "",
            *(f"1. {step}" for step in cause.remedy.steps()),
            "",
            f"References: {', '.join(cause.references)}",
        ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """A text from a log that can't be taken for markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", safe(text))


# --- SARIF ------------------------------------------------------------------------------------------------------------


def as_sarif(found: Analysis) -> str:
    """SARIF 2.1.0 (OASIS): a rule a cause, a result a root failure; what merely follows is left out."""
    failures = [failure for failure in found.to_dict()["failures"] if failure["caused_by"] is None]
    rules = [causes()[cause] for cause in dict.fromkeys(failure["cause"] for failure in failures)]
    place = {cause.id: index for index, cause in enumerate(rules)}
    driver = {
        "name": "oauthtrace",
        "version": __version__,
        "rules": [
            {
                "id": c.id,
                "shortDescription": {"text": c.title},
                "fullDescription": {"text": c.meaning},
                "help": {"text": "\n".join([c.remedy.summary, *c.remedy.steps()])},
            }
            for c in rules
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(failure, place[failure["cause"]]) for failure in failures],
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document, ensure_ascii=False, indent=2)


def _result(failure: Member, rule: int) -> Member:
    from urllib.parse import quote  # noqa: PLC0415

    source = failure["source"]
    physical: Member = {"artifactLocation": {"uri": quote(source["file"])}}
    if source["format"] not in ("har", "mitmproxy-flow") and source["position"]:
        physical["region"] = {"startLine": source["position"]}
    text = " ".join(failure["evidence"]) or causes()[failure["cause"]].title
    return {
        "ruleId": failure["cause"],
        "ruleIndex": rule,
        "level": "error",
        "message": {"text": text},
        "locations": [{"physicalLocation": physical}],
        "partialFingerprints": {"oauthtraceId/1": failure["id"]},
        "rank": round(failure["confidence"] * 100, 1),
    }


# --- JUnit ------------------------------------------------------------------------------------------------------------


def as_junit(found: Analysis) -> str:
    """JUnit XML: a test case a cause, so that a CI server shows which appear and disappear."""
    failures: dict[str, list[Member]] = {}
    for failure in found.to_dict()["failures"]:
        if failure["caused_by"] is None:
            failures.setdefault(failure["cause"], []).append(failure)
    cases = [_case(cause.family, cause.id, failures.get(cause.id, [])) for cause in causes().values()]
    head = f'<testsuite name="oauthtrace" tests="{len(cases)}" failures="{len(failures)}" errors="0" skipped="0">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>"]) + "\n"


def _case(family: str, cause: str, failures: list[Member]) -> str:
    opening = f"  <testcase classname={quoteattr(family)} name={quoteattr(cause)}"
    if not failures:
        return f"{opening}/>"
    lines = [
        f"{f['time'] or 'no time'} {f['source']['file']}:{f['source']['position']} {' '.join(f['evidence'])}"
        for f in failures[:50]
    ]
    message = f"{len(failures)} {'failure' if len(failures) == 1 else 'failures'}: {causes()[cause].title}"
    text = escape(_NOT_XML.sub("\ufffd", "\n".join(lines)))
    return f"{opening}><failure message={quoteattr(message)}>{text}</failure></testcase>"


RENDER = {"json": as_json, "ndjson": as_ndjson, "markdown": as_markdown, "sarif": as_sarif, "junit": as_junit}
"""Value of ``--format`` -> what renders it."""
