"""What gateways say themselves of an exchange, in words of their own: response flags, termination states, reasons.

The words are rows of flags.toml, a table per vocabulary. What a word means for the cause is not said there: either the
provider's codes know it (``codes``), or the sentence is read like any message.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from oauthtrace.providers import Code, find_texts
from oauthtrace.providers import code as provider_code

_NOTHING = frozenset({"", "-", "none", "null", "noerror", "0"})


@dataclass(slots=True)
class Told:
    """What the flags of one exchange tell."""

    note: str = ""
    """Sentences, raw: to be redacted before they are kept."""
    code: str | None = None
    """The gateway's own code."""
    step: str | None = None
    """What the exchange is, where its URL does not show it: a gateway that refused a bearer token guards a resource."""
    facts: tuple[str, ...] = ()


@cache
def vocabularies() -> Mapping[str, Mapping[str, Any]]:
    """Vocabulary -> its table in flags.toml."""
    return tomllib.loads(files("oauthtrace.sources").joinpath("flags.toml").read_text("utf-8"))


@cache
def _patterns(vocabulary: str) -> tuple[tuple[re.Pattern[str], str, str], ...]:
    """(pattern of a word, kind, sentence) of every row, in order."""
    table = vocabularies()[vocabulary]
    return tuple(
        (re.compile(word), str(row.get("is", "")), str(row.get("says", ""))) for word, row in table["words"].items()
    )


def _codes(text: str, shown: str, provider: str | None) -> list[Code]:
    """The codes of a provider that stand in a flag, as words or as sentences."""
    if provider is None:
        return []
    words = [provider_code(provider, word) for word in re.split(r"[,\s{]+", text) if word]
    return [known for known in (*words, *find_texts(shown, provider)) if known and known.provider == provider]


def read(flags: Mapping[str, Any]) -> Told:
    """What flags tell.

    Args:
        flags: vocabulary -> value as written, which may hold several words.
    """
    told = Told()
    notes: list[str] = []
    facts: set[str] = set()
    for vocabulary, value in flags.items():
        text = "" if value is None else str(value).strip()
        if text.lower() in _NOTHING:
            continue
        table = vocabularies()[vocabulary]
        shown = text.replace("_", " ") if table.get("underscores") else text
        hits = [row for row in _patterns(vocabulary) if row[0].search(text)]
        kinds = {kind for _, kind, _ in hits}
        if "server" in kinds or (not hits and table.get("only_known")):
            continue
        notes += [shown, *(says for _, _, says in hits if says)]
        for known in _codes(text, shown, table.get("provider")):
            told.code = told.code or known.code
            notes.append(known.meaning)
        if "left" in kinds:
            facts.add("client left before the answer")
        if "itself" in kinds:
            facts.add("gateway answered itself")
        if "token" in kinds:
            told.step = "resource"
    told.note, told.facts = " | ".join(dict.fromkeys(notes))[:2000], tuple(sorted(facts))
    return told
