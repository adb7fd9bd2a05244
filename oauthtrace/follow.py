"""Which failure merely follows from which: ``caused_by`` points from each follower to its root."""

from __future__ import annotations

from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

import polars as pl

from oauthtrace.causes import UNKNOWN
from oauthtrace.correlate import PLACE, of_text_log, place_of


class _Failure(NamedTuple):
    n: int
    id: str
    step: str
    cause: str
    confidence: float
    proof: bool
    start: float | None
    end: float | None
    file: str
    error: str | None
    status: int | None
    of_text: bool
    joined_by: str | None
    grant_type: str | None
    kind: int
    """Equal where step, error, status and cause are."""


NEAREST_ROOTS = 50
"""A failure is compared with so many roots before it, so that a flow without end costs no more than its length."""
FOLLOW_S = 30.0
"""A failure of the same flow follows from an earlier one when it begins no more than this many seconds after its end."""


def follow(ranked: pl.DataFrame) -> pl.DataFrame:
    """Fill ``caused_by``: within each flow, failures that only follow point to their root."""
    crowded = ranked.filter(pl.len().over("flow") > 1)
    if crowded.is_empty():
        return ranked
    start = pl.col("time").dt.epoch("us") / 1e6
    rows = crowded.select(
        "flow", "n", "id", "step", "cause", "confidence", "proof", start=start, end=start + pl.col("duration_ms").fill_null(0) / 1000,
        file="source_file", error="error", status="status", of_text=of_text_log(), joined_by="joined_by", grant_type="grant_type",
        kind=pl.struct("step", "error", "status", "cause").hash(),
    )  # fmt: skip
    # a callback ends after the token request that it waits for: order by end, machine steps first
    rows = rows.sort("flow", pl.col("end").fill_null(0.0), "n")
    plain = rows.filter(_only_repeats().all().over("flow"))
    links = _repeats(plain)
    tangled = rows.join(plain.select("n"), on="n", how="anti", maintain_order="left")
    for _, flow in groupby(tangled.iter_rows(), key=itemgetter(0)):
        links.update(follow_in_flow([_Failure(*row[1:]) for row in flow]))
    table = pl.DataFrame({"id": list(links), "root": list(links.values())}, schema={"id": pl.String, "root": pl.String})
    return ranked.join(table, on="id", how="left", maintain_order="left").with_columns(caused_by="root").drop("root")


def within_callbacks(ranked: pl.DataFrame) -> pl.DataFrame:
    """A callback without a reason of its own follows from the token request that it made while it waited.

    They need not share a key: an application may redeem another code than the one it was sent.
    """
    place = pl.concat_str("host", "path")
    callbacks = ranked.filter(
        (pl.col("step") == "redirection") & pl.col("caused_by").is_null() & pl.col("error").is_null() & ~pl.col("proof")
        & pl.col("time").is_not_null() & (pl.col("duration_ms") > 0)
    ).select("id", "source_file", "time", end=pl.col("time") + pl.duration(microseconds=pl.col("duration_ms") * 1000), place=place)  # fmt: skip
    redeemed = ranked.filter((pl.col("step") == "token") & pl.col("redirect_uri").is_not_null()).select(
        "source_file",
        "time",
        root=pl.coalesce("caused_by", "id"),
        token_end=pl.col("time") + pl.duration(microseconds=pl.col("duration_ms").fill_null(0) * 1000),
        place=place_of("redirect_uri"),
    )
    if callbacks.is_empty() or redeemed.is_empty():
        return ranked
    pairs = callbacks.sort("time").join_asof(
        redeemed.drop_nulls().sort("time"), on="time", by=["source_file", "place"], strategy="forward", check_sortedness=False
    )  # fmt: skip
    inside = pairs.filter(pl.col("token_end") <= pl.col("end")).select("id", "root")
    return (
        ranked.join(inside, on="id", how="left", maintain_order="left")
        .with_columns(caused_by=pl.coalesce("caused_by", "root"))
        .drop("root")
    )


def _only_repeats() -> pl.Expr:
    """Failures that nothing but a repetition ties to others: the most of a big access log."""
    by_place = (pl.col("joined_by") == PLACE) & ~pl.col("of_text")
    tied = (
        pl.col("step").is_in(_LOOSE_STEPS) | pl.col("status").is_in(_REDIRECTS) | (pl.col("error") == "login_required")
    )
    same_proof = pl.col("proof").n_unique().over("flow", "kind") == 1
    return (
        by_place & ~tied.fill_null(False) & same_proof & pl.col("start").is_not_null()
        & (pl.col("cause") != "grant/access-token-expired")
    ).fill_null(False)  # fmt: skip


def _repeats(rows: pl.DataFrame) -> dict[str, str]:
    """Id -> id of the failure of the same flow and kind that it repeats within FOLLOW_S; rows are in the order of their ends."""
    links: dict[str, str] = {}
    kind, root, until = None, "", 0.0
    ordered = rows.select(pl.struct("flow", "kind").hash(), "id", "start", pl.col("end") + FOLLOW_S)
    for own, failure, start, end in ordered.sort("flow", maintain_order=True).iter_rows():
        if own == kind and start <= until:
            links[failure] = root
        else:
            kind, root, until = own, failure, end
    return links


def follow_in_flow(failures: list[_Failure]) -> dict[str, str]:
    """Id -> id of the root that it follows from, for the failures of one flow in the order of their ends."""
    links: dict[str, str] = {}
    children: dict[str, list[str]] = {}
    roots: dict[str, _Failure] = {}  # by id, oldest first
    loose: dict[str, _Failure] = {}  # those of them from which a failure of another kind may follow by place alone
    alike: dict[int, _Failure] = {}  # kind of failure -> the latest root of that kind
    for failure in failures:
        by_place = failure.joined_by == PLACE and not failure.of_text
        same = alike.get(failure.kind) if by_place else None
        root = same if same and _follows(failure, same) else None
        if root is None and (near := loose if by_place else roots):
            root = next((r for r in islice(reversed(near.values()), NEAREST_ROOTS) if _follows(failure, r)), None)
        if root is not None and not _says_more(failure, root):
            links[failure.id] = root.id
            children.setdefault(root.id, []).append(failure.id)
            continue
        if root is not None:
            children[failure.id] = [*children.pop(root.id, ()), root.id]
            links.update(dict.fromkeys(children[failure.id], failure.id))
            roots.pop(root.id)
            loose.pop(root.id, None)
        roots[failure.id] = alike[failure.kind] = failure
        if failure.step in _LOOSE_STEPS or failure.status in _REDIRECTS or failure.joined_by != PLACE:
            loose[failure.id] = failure
    return links


_LOOSE_STEPS = ("jwks", "metadata", "event")
_REDIRECTS = (301, 302, 303, 307, 308)


def _follows(later: _Failure, root: _Failure) -> bool:
    """Whether a later failure can follow from a root: close in time, and tied to it by more than place.

    Exchanges that only share caller and time are separate tries, unless they fail alike (a retry) or are log lines.
    """
    alike = later.kind == root.kind
    if root.step in ("jwks", "metadata") and later.cause in (
        "server/unreachable",
        "server/metadata-mismatch",
        "server/timeout",
    ):
        return True
    if root.status in _REDIRECTS and later.step == root.step and root.step != "authorization":
        return True  # the client followed a redirect and failed there
    if later.status is None and root.status and later.step == root.step and not later.of_text and not root.of_text:
        return False  # that no answer comes is not due to what another answer said
    if root.error == "login_required" and root.step == later.step:
        return False  # a silent request without a session answers alone for itself
    by_place = PLACE in (later.joined_by, root.joined_by)
    if by_place and not alike and not later.of_text and not root.of_text:
        return False
    if later.start is None or root.end is None:
        near = later.file == root.file and later.n - root.n < 200
    else:
        near = later.start - root.end <= FOLLOW_S
    return near


def _says_more(later: _Failure, root: _Failure) -> bool:
    """Whether a later failure explains an earlier one: log lines of one episode, where the clearest names the reason."""
    both_text = later.of_text or root.of_text
    if root.cause == "grant/access-token-expired" and later.grant_type == "refresh_token":
        return True
    if (
        later.proof
        and not root.proof
        and later.confidence >= root.confidence
        and (both_text or later.step == root.step)
    ):
        return True
    if (
        root.step == "redirection"
        and later.step in ("token", "jwks", "userinfo", "metadata")
        and (later.start or 0) >= (root.start or 0)
    ):
        return not root.error
    if root.cause == UNKNOWN and later.cause != UNKNOWN:
        return True
    return both_text and later.confidence > root.confidence + 0.15
