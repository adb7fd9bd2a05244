"""Rows that are equal in some columns are worked on once: what is distinct, and which row is which."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl


def kinds_of(frame: pl.DataFrame, columns: Iterable[str]) -> tuple[pl.DataFrame, pl.Series]:
    """The distinct combinations of some columns in the order of their first row, and for each row the number of its own.

    What is made of the combinations, row by row, comes back to the rows with ``made.gather(place)``.
    """
    names = list(columns)
    keyed = frame.select(*names, key=pl.struct(names).hash())
    kinds = keyed.unique("key", maintain_order=True).with_row_index("place")
    place = keyed.select("key").join(kinds.select("key", "place"), on="key", how="left", maintain_order="left")["place"]
    return kinds.select(names), place
