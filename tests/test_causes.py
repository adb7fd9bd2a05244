"""The causes: the rules of the house for each file, and each example, which is a test of its cause."""

from __future__ import annotations

import re
import tomllib

import polars as pl
import pytest
from conftest import ROOT, analyse_example, told

from oauthtrace.causes import UNKNOWN, causes, expression
from oauthtrace.context import add_context
from oauthtrace.correlate import correlate
from oauthtrace.diagnose import with_concepts
from oauthtrace.exchange import empty
from oauthtrace.oauth.messages import _lexicon, vocabulary

FOLDER = ROOT / "oauthtrace" / "causes"
FILES = {f"{f.parent.name}/{f.stem}": tomllib.loads(f.read_text("utf-8")) for f in sorted(FOLDER.glob("*/*.toml"))}
MEMBERS = {"title", "meaning", "told_by", "lookalikes", "capture_next", "references", "remedy", "examples"}
REMEDY = {"summary", "app_developer", "gateway_operator", "idp_admin", "check"}
EXCHANGE = {"at", "method", "url", "headers", "body", "status", "answer_headers", "answer", "error"}
REFERENCE = re.compile(
    r"^(?:RFC \d{4}(?: (?:§[\dA-Z.]+|Appendix [A-Z]))?|OpenID Connect (?:Core|Discovery|\w+(?: \w+)*) 1\.0(?: §[\d.]+)?|WHATWG .+|W3C .+|https://\S+)$"
)
LONGEST_TITLE = 60

every_cause = pytest.mark.parametrize("cause_id", sorted(FILES))


@every_cause
def test_a_cause_has_all_members_and_no_others(cause_id: str) -> None:
    data = FILES[cause_id]
    assert MEMBERS <= data.keys() <= MEMBERS | {"detect"}
    assert data["remedy"].keys() == REMEDY


@every_cause
def test_its_id_is_of_plain_words(cause_id: str) -> None:
    assert re.fullmatch(r"[a-z]+(?:-[a-z]+)*/[a-z]+(?:-[a-z]+)*", cause_id)


@every_cause
def test_its_texts_say_something(cause_id: str) -> None:
    data = FILES[cause_id]
    assert len(data["title"]) <= LONGEST_TITLE, (
        f"title has {len(data['title'])} characters, a table has room for {LONGEST_TITLE}"
    )
    assert not data["title"].endswith("."), "a title is no sentence"
    for member, least in (("meaning", 80), ("told_by", 60), ("capture_next", 20)):
        assert len(data[member].strip()) >= least, f"{member} is too short to help"
    assert data["remedy"]["summary"].endswith(".")
    assert any(data["remedy"][who] for who in ("app_developer", "gateway_operator", "idp_admin")), (
        "nobody is told what to do"
    )
    assert data["remedy"]["check"].strip(), "no way to see that it is mended"


@every_cause
def test_it_refers_to_a_standard(cause_id: str) -> None:
    references = FILES[cause_id]["references"]
    assert references
    assert [r for r in references if not REFERENCE.match(r)] == []


@every_cause
def test_its_lookalikes_are_other_causes(cause_id: str) -> None:
    named = [entry["cause"] for entry in FILES[cause_id]["lookalikes"]]
    assert [c for c in named if c not in FILES] == [], "lookalikes that do not exist"
    assert cause_id not in named
    assert len(named) == len(set(named))


@every_cause
def test_its_examples_are_well_formed(cause_id: str) -> None:
    examples = FILES[cause_id]["examples"]
    assert examples, "a cause without an example is not tested"
    assert len({e["title"] for e in examples}) == len(examples), "two examples have the same title"
    for example in examples:
        assert ("exchanges" in example) != ("log" in example), f"{example['title']}: either exchanges or a log"
        times = [e["at"] for e in example.get("exchanges", ())]
        assert times == sorted(times), f"{example['title']}: not in the order of time"
        for exchange in example.get("exchanges", ()):
            assert exchange.keys() <= EXCHANGE, f"{example['title']}: unknown {exchange.keys() - EXCHANGE}"
            assert {"at", "method", "url"} <= exchange.keys()


@pytest.fixture(scope="module")
def columns() -> pl.DataFrame:
    """A frame without rows, with every column that a sign may ask for."""
    return with_concepts(add_context(correlate(empty())))


@every_cause
def test_its_signs_can_be_asked(cause_id: str, columns: pl.DataFrame) -> None:
    cause = causes()[cause_id]
    subjects, predicates = vocabulary()
    known = (
        {f"{s} {p}" for s in (*subjects, "it") for p in (*predicates, "any", "named")}
        | {"reasons listed"}
        | {f"phrase {p}" for p in _lexicon().phrases.groupindex}
    )
    assert [c for c in cause.said if c not in known] == [], "concepts that words.toml cannot give"
    for when in [s.when for s in cause.signs] + ([cause.fits] if cause.fits else []):
        assert [c for c in re.findall(r"\{([a-z_]+ [a-z_]+)\}", when) if c not in known] == [], (
            f"unknown concept in: {when}"
        )
        columns.select(expression(when))
    for sign in cause.signs:
        for name in re.findall(r"\{(\w+)(?::\w+)?\}", sign.say or ""):
            assert name in columns.columns, f"no column {name} for the sentence: {sign.say}"
        assert sign.say or not sign.proof, f"a proof that says nothing: {sign.when}"


EXAMPLES = [
    pytest.param(cause_id, example, id=f"{cause_id}: {example['title']}")
    for cause_id, data in FILES.items()
    for example in data["examples"]
]


@pytest.mark.parametrize(("cause_id", "example"), EXAMPLES)
def test_an_example_is_told_as_its_cause(cause_id: str, example: dict, tmp_path) -> None:
    analysis = analyse_example(tmp_path, example)
    roots = analysis.failures.filter(pl.col("caused_by").is_null())["cause"].to_list()
    assert roots, f"no failure was seen\n  {told(analysis)}"
    assert roots[-1] == cause_id, f"roots {roots}\n  {told(analysis)}"


def test_there_is_an_answer_when_nothing_fits() -> None:
    assert UNKNOWN in FILES
