"""Whether failures of one kind say clearly different things: then they are several incidents, not one.

Messages are compared by their words, without URLs, numbers and fingerprints. Two are the same wording when at least a
third of the shorter one's words are in the other, so that a message inside a longer one, or with another name in it,
does not tear an incident apart.
"""

from __future__ import annotations

import re

import polars as pl

ALIKE = 1 / 3
MOST_WORDINGS = 6
"""A group with more different messages has names or texts of users in them: it stays whole."""
MOST_GROUPS = 400
"""So many groups, the largest, are looked at: it bounds the work on hostile input."""
_LONGEST = 400
_VARIABLE = r"(?:[a-z][a-z0-9+.-]*://\S+|\b[a-z]+:[0-9a-f]{8}\b|\b\w*\d\w*\b)"
_WORD = re.compile(r"[^\W\d_]{2,}")


def wordings(messages: pl.Series, groups: pl.Series) -> pl.Series:
    """For each failure the number of its wording in its group: 0 for the most frequent one and for no message at all.

    Args:
        messages: what each failure says, null where nothing is said.
        groups: a number that failures of the same kind share.

    """
    said = pl.DataFrame({"message": messages})
    masked = (
        said.drop_nulls()
        .unique()
        .with_columns(
            masked=pl.col("message")
            .str.head(_LONGEST)
            .str.to_lowercase()
            .str.replace_all(_VARIABLE, " ")
            .str.strip_chars()
        )
    )
    rows = said.join(masked, on="message", how="left", maintain_order="left").select(groups.alias("group"), "masked")
    kinds = rows.drop_nulls("masked").group_by("group", "masked").agg(uses=pl.len())
    several = (
        kinds.group_by("group")
        .agg(kinds=pl.len(), uses=pl.col("uses").sum())
        .filter(pl.col("kinds").is_between(2, MOST_WORDINGS))
        .sort("uses", "group", descending=[True, False])
        .head(MOST_GROUPS)
    )
    listed = kinds.join(several.select("group"), on="group", how="semi").sort(
        "uses", "masked", descending=[True, False]
    )
    found = [
        (group, message, number)
        for group, rows in listed.rows_by_key("group").items()
        for message, number in _number([masked for masked, _ in rows]).items()
    ]
    lookup = pl.DataFrame(
        found, schema={"group": groups.dtype, "masked": pl.String, "wording": pl.UInt32}, orient="row"
    )
    told = rows.join(lookup, on=["group", "masked"], how="left", maintain_order="left")
    return told["wording"].fill_null(0)


def _number(messages: list[str]) -> dict[str, int]:
    """Message -> number of its wording, in the order in which wordings first come."""
    wordings: list[set[str]] = []
    found = {}
    for message in messages:
        words = set(_WORD.findall(message))
        like = next((number for number, known in enumerate(wordings) if _alike(words, known)), None)
        if like is None:
            like = len(wordings)
            wordings.append(words)
        found[message] = like
    return found


def _alike(one: set[str], other: set[str]) -> bool:
    shorter = min(len(one), len(other))
    return shorter == 0 or len(one & other) >= ALIKE * shorter
