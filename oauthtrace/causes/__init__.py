"""What can go wrong: one file a cause, ``<family>/<cause>.toml``, which holds all that is known of it.

Its page (title, meaning, how it is told, lookalikes, remedy, references), its detection (table ``detect``) and its
examples, which are its tests. Adding a cause is adding one file.

Detection, all weights in nats (log-odds):

- ``prior``: how common it is, everything else unknown;
- ``fits``: an expression that must not be false, else MISFIT is added;
- ``said``: concepts of the message (see :mod:`oauthtrace.oauth.messages`) -> weight; the strongest counts whole, others in part;
- ``signs``: ``when`` (expression), ``weight``, ``say`` (evidence sentence with ``{column}`` placeholders), ``proof``.

An expression is SQL over the columns of exchange and context; ``{subject predicate}`` asks whether the message says so,
``[fact]`` whether the exchange has the fact, ``{NAME}`` stands for a shared condition of ``shorthands.toml``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl

MISFIT = -6.0
UNKNOWN = "unknown/unclassified"


@dataclass(frozen=True, slots=True)
class Sign:
    """One piece of evidence for or against a cause."""

    when: str
    weight: float
    say: str | None = None
    proof: bool = False


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to change, for each reader, and how to see that it worked."""

    summary: str
    app_developer: tuple[str, ...]
    gateway_operator: tuple[str, ...]
    idp_admin: tuple[str, ...]
    check: str

    def steps(self) -> list[str]:
        """All steps in one list, each with who does it."""
        readers = (
            ("App", self.app_developer),
            ("Gateway", self.gateway_operator),
            ("Identity provider", self.idp_admin),
        )
        return [f"{who}: {step}" for who, steps in readers for step in steps]


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause, as its file declares it."""

    id: str
    title: str
    meaning: str
    told_by: str
    capture_next: str
    references: tuple[str, ...]
    lookalikes: tuple[tuple[str, str], ...]
    remedy: Remedy
    examples: tuple[Mapping[str, Any], ...]
    prior: float = -1.0
    fits: str | None = None
    said: Mapping[str, float] = field(default_factory=dict)
    signs: tuple[Sign, ...] = ()

    @property
    def family(self) -> str:
        """The part before the slash."""
        return self.id.partition("/")[0]


@cache
def causes() -> Mapping[str, Cause]:
    """Id -> cause, families and causes in the order of their names."""
    found = {}
    for family in sorted(files(__name__).iterdir(), key=lambda f: f.name):
        if not family.is_dir() or family.name.startswith("_"):
            continue
        for file in sorted(family.iterdir(), key=lambda f: f.name):
            if file.name.endswith(".toml"):
                cause_id = f"{family.name}/{file.name.removesuffix('.toml')}"
                found[cause_id] = _cause(cause_id, tomllib.loads(file.read_text("utf-8")))
    return found


def _cause(cause_id: str, data: Mapping[str, Any]) -> Cause:
    remedy, detect = data["remedy"], data.get("detect", {})
    return Cause(
        id=cause_id,
        title=data["title"],
        meaning=data["meaning"].strip(),
        told_by=data["told_by"].strip(),
        capture_next=data["capture_next"].strip(),
        references=tuple(data["references"]),
        lookalikes=tuple((entry["cause"], entry["differs"]) for entry in data["lookalikes"]),
        remedy=Remedy(
            summary=remedy["summary"],
            app_developer=tuple(remedy["app_developer"]),
            gateway_operator=tuple(remedy["gateway_operator"]),
            idp_admin=tuple(remedy["idp_admin"]),
            check=remedy["check"].strip(),
        ),
        examples=tuple(data["examples"]),
        prior=float(detect.get("prior", -1.0)),
        fits=detect.get("fits"),
        said={k: float(v) for k, v in detect.get("said", {}).items()},
        signs=tuple(
            Sign(s["when"], float(s["weight"]), s.get("say"), bool(s.get("proof", False)))
            for s in detect.get("signs", ())
        ),
    )


_SHORTHAND = re.compile(r"\{([A-Z]+)\}")
_SAID = re.compile(r"\{([a-z_]+ [a-z_]+)\}")
_FACT = re.compile(r"\[([^\]]+)\]")


@cache
def _shorthands() -> Mapping[str, str]:
    """Name -> expression that several causes' signs share."""
    return {
        k: f"({v})" for k, v in tomllib.loads(files(__name__).joinpath("shorthands.toml").read_text("utf-8")).items()
    }


@cache
def expression(when: str) -> pl.Expr:
    """The polars expression of a ``when`` or ``fits``; null counts as false.

    It needs a column ``said …`` or ``fact …`` for each concept and fact that it asks for, see :func:`asked`.

    >>> expression("step = 'token' and {code used} and not [html answer]")  # doctest: +ELLIPSIS
    <Expr ...>
    """
    sql = _FACT.sub(r'"fact \1"', _SAID.sub(r'"said \1"', _written_out(when)))
    return pl.sql_expr(sql).fill_null(False)


def _written_out(when: str) -> str:
    return _SHORTHAND.sub(lambda m: _shorthands()[m[1]], when)


@cache
def asked() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(concepts, facts) that any cause's expressions ask for."""
    every = [
        _written_out(when)
        for cause in causes().values()
        for when in (*(sign.when for sign in cause.signs), cause.fits)
        if when
    ]
    concepts = {hit for when in every for hit in _SAID.findall(when)}
    return tuple(sorted(concepts)), tuple(sorted({hit for when in every for hit in _FACT.findall(when)}))
