"""What stands around the failures that the report shows in full: their flow, the nearest success, other uses of a value.

One pass over the exchanges a question, however many failures are shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

Row = dict[str, Any]
FLOW_ROWS = 200
"""So many exchanges of a flow, nearest to the failure, are looked at."""
USES = 6


@dataclass(slots=True)
class Case:
    """One failure with its surroundings.

    Attributes:
        row: the failure: columns of exchange, context and diagnosis.
        incident: its row in the incidents' table.
        flow: exchanges of its flow in time order.
        worked: the nearest success of the same client at the same host and step, before rather than after.
        uses: exchanges that presented the same code or refresh token, in time order.

    """

    row: Row
    incident: Row
    flow: list[Row] = field(default_factory=list)
    worked: Row | None = None
    uses: list[Row] = field(default_factory=list)

    @property
    def cause(self) -> str:
        """Id of the cause."""
        return str(self.row["cause"])

    @property
    def family(self) -> str:
        """The part of the cause before the slash."""
        return self.cause.partition("/")[0]


def cases(shown: pl.DataFrame, failures: pl.DataFrame, exchanges: pl.DataFrame) -> list[Case]:
    """The example of each incident shown, with what stands around it, in the order of the incidents."""
    examples = failures.join(shown.select(id="example"), on="id", how="semi")
    rows = {row["id"]: row for row in examples.iter_rows(named=True)}
    flows, worked, uses = _flows(examples, exchanges), _worked(examples, exchanges), _uses(examples, exchanges)
    found = []
    for incident in shown.iter_rows(named=True):
        row = rows[incident["example"]]
        value = row["code_fp"] or row["refresh_token_fp"]
        found.append(
            Case(
                row,
                incident,
                flows.get(row["flow"], [row]),
                worked.get(row["id"]),
                uses.get(value, []) if value else [],
            )
        )
    return found


def _flows(examples: pl.DataFrame, exchanges: pl.DataFrame) -> dict[str, list[Row]]:
    centre = examples.group_by("flow").agg(centre=pl.col("n").first())
    near = (
        exchanges.select("n", "flow")
        .join(centre, on="flow")
        .filter((pl.col("n") - pl.col("centre")).abs().rank("ordinal").over("flow") <= FLOW_ROWS)
    )
    flows: dict[str, list[Row]] = {}
    for row in exchanges.join(near.select("n"), on="n", how="semi").sort("n").iter_rows(named=True):
        flows.setdefault(row["flow"], []).append(row)
    return flows


def _worked(examples: pl.DataFrame, exchanges: pl.DataFrame) -> dict[str, Row]:
    place = ["client_id", "host", "step"]
    asked = examples.select("id", "time", *place).drop_nulls().sort("time")
    good = (
        pl.col("client_id").is_in(asked["client_id"].unique().implode())
        & ~pl.col("failed")
        & pl.col("healthy").is_null()
        & pl.col("time").is_not_null()
    )
    ok = (
        exchanges.select("n", "time", "failed", "healthy", *place)
        .filter(good)
        .join(asked.select(place).unique(), on=place, how="semi")
        .select("n", "time", *place)
        .sort("time")
    )
    found = {}
    for strategy in ("forward", "backward"):
        pairs = asked.join_asof(
            ok, on="time", by=place, strategy=strategy, allow_exact_matches=False, check_sortedness=False
        ).drop_nulls("n")
        found.update(dict(pairs.select("id", "n").iter_rows()))
    rows = {row["n"]: row for row in exchanges.filter(pl.col("n").is_in(list(found.values()))).iter_rows(named=True)}
    return {failure: rows[n] for failure, n in found.items()}


def _uses(examples: pl.DataFrame, exchanges: pl.DataFrame) -> dict[str, list[Row]]:
    uses: dict[str, list[Row]] = {}
    for column in ("code_fp", "refresh_token_fp"):
        wanted = examples.select(column).drop_nulls().unique()
        if wanted.is_empty():
            continue
        presented = exchanges.filter((pl.col("step") == "token") & pl.col(column).is_in(wanted[column].implode())).sort(
            "n"
        )
        for row in presented.filter(pl.int_range(pl.len()).over(column) < USES).iter_rows(named=True):
            uses.setdefault(row[column], []).append(row)
    return uses
