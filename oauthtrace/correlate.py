"""Exchanges -> flows: which exchanges belong to one sign-in, one refresh chain or one call chain, and which failed.

Joined by the strongest keys that both sides know (fingerprints of code, state, PAR request_uri, device code, refresh
chain, access token, session, correlation id); then, for what has no key, by who, where and when. ``joined_by`` says how.

Needs the columns of :mod:`oauthtrace.exchange`; adds ``n`` (row number in time order), ``flow``, ``joined_by``,
``failed`` and ``healthy`` (why a non-2xx answer is no failure).
"""

from __future__ import annotations

import hashlib

import polars as pl

from oauthtrace.oauth.endpoints import MACHINE_STEPS

KEYS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("code", ("code_fp", "issued_code_fp")),
    ("state", ("state_fp",)),
    ("request_uri", ("request_uri_fp", "issued_request_uri_fp")),
    ("device code", ("device_code_fp", "issued_device_fp")),
    ("refresh chain", ("refresh_token_fp", "issued_refresh_fp")),
    ("access token", ("token_fp", "issued_token_fp")),
    ("session", ("session_fp",)),
    ("request id", ("request_id",)),
)
"""Name of the key -> the columns whose equal values join, strongest first."""

PLACE = "caller and time"
"""How exchanges without any key are joined, as ``joined_by`` says it."""
GAP_S = 90
"""Exchanges without a key, of the same caller at the same place, belong together when no longer pause lies between."""

NEGOTIATION = ("authorization_pending", "slow_down")
OAUTH_ERRORS = r"^(?:invalid_\w+|insufficient_\w+|unauthorized_client|access_denied|unsupported_\w+|expired_token|use_dpop_nonce|server_error|temporarily_unavailable|\w+_required|consent_required)$"
BROKEN_ANSWERS = (
    "answer is not JSON", "empty answer", "access_token missing", "token_type missing", "expires_in unusable", "error inside 200",
    "form-encoded answer", "issuer missing", "no keys", "html answer", "error page", "redirected to a login page", "issuer does not fit the URL",
)  # fmt: skip
"""Facts that make a 2xx or 3xx answer of a machine endpoint a failure (RFC 6749 §5.1)."""


def correlate(exchanges: pl.DataFrame) -> pl.DataFrame:
    """Exchanges in time order with their flow, and whether each failed."""
    ordered = exchanges.sort(
        "time", "source_file", "source_position", nulls_last=True, maintain_order=True
    ).with_row_index("n")
    ordered = ordered.with_columns(pl.col("n").cast(pl.Int64))
    joined = _name_flows(
        _join_log_lines(_join_by_place(_join_redirected(_join_empty_tokens(_join_by_client(_join_by_keys(ordered))))))
    )
    return mark_healthy(mark_failed(_mark_started_over(joined)))


# --- flows ------------------------------------------------------------------------------------------------------------


def _join_by_keys(frame: pl.DataFrame) -> pl.DataFrame:
    pairs = [
        frame.select("n", key=pl.concat_str(pl.lit(f"{rank} "), pl.col(column))).drop_nulls()
        for rank, (_name, columns) in enumerate(KEYS)
        for column in columns
    ]
    links = pl.concat(pairs).unique()
    links = links.join(_overused(frame), on="key", how="anti")
    links = links.filter(pl.len().over("key") > 1)
    strongest = links.group_by("n").agg(pl.col("key").min().str.head(1).cast(pl.Int64).alias("rank"))
    names = pl.DataFrame(
        {"rank": range(len(KEYS)), "joined_by": [name for name, _ in KEYS]},
        schema={"rank": pl.Int64, "joined_by": pl.String},
    )
    label = frame.select("n", label=pl.col("n"))
    for _ in range(64):
        spread = (
            links.join(label, on="n")
            .with_columns(low=pl.col("label").min().over("key"))
            .group_by("n")
            .agg(pl.col("low").min())
        )
        step = label.join(spread, on="n", how="left").with_columns(label2=pl.min_horizontal("label", "low"))
        # pointer jumping: the label of my label, so that long refresh chains need few rounds
        step = step.join(
            step.select(label2_of=pl.col("n"), jump=pl.col("label2")),
            left_on="label2",
            right_on="label2_of",
            how="left",
        )
        new = step.select("n", label=pl.min_horizontal("label2", "jump"))
        if new.equals(label):
            break
        label = new
    return frame.join(label, on="n", how="left", maintain_order="left").join(
        strongest.join(names, on="rank").select("n", "joined_by"), on="n", how="left", maintain_order="left"
    )


def _overused(frame: pl.DataFrame) -> pl.DataFrame:
    """State values that a client never changes: they join nothing."""
    states = frame.filter((pl.col("step") == "authorization") & pl.col("state_fp").is_not_null())
    used = states.group_by("state_fp").agg(
        pl.col("time").max().alias("last"), pl.col("time").min().alias("first"), pl.len()
    )
    constant = used.filter((pl.col("len") > 5) | ((pl.col("last") - pl.col("first")) > pl.duration(hours=1)))
    return constant.select(key=pl.concat_str(pl.lit("1 "), pl.col("state_fp")))


def _join_by_client(frame: pl.DataFrame) -> pl.DataFrame:
    """A code's redemption whose authorize request shares no key (no state, no redirect seen): the client's latest one.

    Only when no other redemption could claim it.
    """
    flows_with = frame.filter(pl.col("step").is_in(["authorization", "par"])).select("label").unique()
    orphan = (
        frame.filter(
            (pl.col("step") == "token")
            & (pl.col("grant_type") == "authorization_code")
            & pl.col("client_id").is_not_null()
            & pl.col("time").is_not_null()
        )
        .join(flows_with, on="label", how="anti")
        .select("n", "label", "client_id", "time")
        .sort("time")
    )
    used = frame.filter(pl.col("step") == "token").select("label").unique()
    free = (
        frame.filter(
            (pl.col("step") == "authorization") & pl.col("client_id").is_not_null() & pl.col("time").is_not_null()
        )
        .join(used, on="label", how="anti")
        .select("client_id", "time", target=pl.col("label"))
        .sort("time")
    )
    if orphan.is_empty() or free.is_empty():
        return frame
    pairs = orphan.join_asof(
        free, on="time", by="client_id", strategy="backward", tolerance="20m", check_sortedness=False
    ).drop_nulls("target")
    pairs = pairs.unique("label", keep="first").unique("target", keep="first").select("label", "target")
    moved = frame.join(pairs, on="label", how="left", maintain_order="left")
    return moved.with_columns(
        label=pl.coalesce("target", "label"),
        joined_by=pl.when(pl.col("target").is_not_null())
        .then(pl.coalesce("joined_by", pl.lit("client and time")))
        .otherwise("joined_by"),
    ).drop("target")


def _join_empty_tokens(frame: pl.DataFrame) -> pl.DataFrame:
    """A call with an empty or placeholder token follows from the token request before it, which gave none."""
    empty = has("placeholder bearer token") | has("empty bearer token")
    calls = frame.filter(empty & pl.col("time").is_not_null()).select("n", "source_file", "time").sort("time")
    if calls.is_empty():
        return frame
    requests = (
        frame.filter((pl.col("step") == "token") & pl.col("time").is_not_null())
        .select("source_file", "time", target="label")
        .sort("time")
    )
    pairs = calls.join_asof(
        requests, on="time", by="source_file", strategy="backward", tolerance="60s", check_sortedness=False
    ).drop_nulls("target")
    return _adopt(frame, pairs.select("n", "target"), "the token that was not issued")


def _join_redirected(frame: pl.DataFrame) -> pl.DataFrame:
    """A request that follows the redirect of a machine endpoint belongs to the request that was redirected."""
    moved = frame.filter(
        pl.col("status").is_between(300, 399) & pl.col("step").is_in(MACHINE_STEPS) & pl.col("time").is_not_null()
    )
    if moved.is_empty():
        return frame
    moved = (
        moved.select(
            "source_file",
            "time",
            redirect="n",
            who=pl.coalesce("client_id", pl.lit("")),
            place=without_query("location"),
            target="label",
        )
        .drop_nulls()
        .sort("time")
    )
    calls = (
        frame.filter(pl.col("time").is_not_null())
        .select("n", "source_file", "time", own=pl.coalesce("client_id", pl.lit("")), place=without_query("url"))
        .drop_nulls()
        .sort("time")
    )
    pairs = calls.join_asof(
        moved,
        on="time",
        by=["source_file", "place"],
        strategy="backward",
        tolerance="10s",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    # one request follows a redirect, the next one, of the same client; a client that lost the body names none
    pairs = pairs.drop_nulls("target").filter((pl.col("own") == pl.col("who")) | (pl.col("own") == ""))
    pairs = pairs.sort("n").unique("redirect", keep="first", maintain_order=True)
    return _adopt(frame, pairs.select("n", "target"), "the redirect that was followed")


def _adopt(frame: pl.DataFrame, pairs: pl.DataFrame, why: str) -> pl.DataFrame:
    """Move rows (n) to another label (target), saying why."""
    return (
        frame.join(pairs, on="n", how="left", maintain_order="left")
        .with_columns(
            label=pl.coalesce("target", "label"),
            joined_by=pl.when(pl.col("target").is_not_null()).then(pl.lit(why)).otherwise("joined_by"),
        )
        .drop("target")
    )


def _join_by_place(frame: pl.DataFrame) -> pl.DataFrame:
    """Exchanges without any key: same file and caller (or client, or host), without a long pause."""
    lone = (pl.len().over("label") == 1) & pl.col("joined_by").is_null()
    is_text = (
        (pl.col("step") == "event")
        & pl.col("client_address").is_null()
        & (of_text_log() | pl.col("client_id").is_null())
    )
    caller = (
        pl.when(is_text).then(pl.lit("log"))
        .when(pl.col("client_id").is_not_null()).then(pl.col("client_id"))
        .otherwise(pl.coalesce(pl.concat_str(pl.lit("@"), pl.col("client_address")), pl.lit("?")))
    )  # fmt: skip
    placed = frame.with_columns(lone=lone, caller=caller).sort("source_file", "caller", "n")
    pause = pl.col("time").diff().over("source_file", "caller") > pl.duration(seconds=GAP_S)
    placed = placed.with_columns(episode=pause.fill_null(False).cum_sum().over("source_file", "caller"))
    group = ["source_file", "caller", "episode"]
    return (
        placed.with_columns(shared=pl.when("lone").then(pl.col("label").filter(pl.col("lone")).min().over(group)))
        .with_columns(
            joined_by=pl.when(pl.col("lone") & (pl.col("lone").sum().over(group) > 1))
            .then(pl.lit(PLACE))
            .otherwise("joined_by"),
            label=pl.coalesce("shared", "label"),
        )
        .drop("lone", "caller", "episode", "shared")
        .sort("n")
    )


EPISODE_S, EPISODE_LINES = 6, 14
"""Lines of one text log belong to one episode: no longer pause, and not more lines than this without a new request."""


def _join_log_lines(frame: pl.DataFrame) -> pl.DataFrame:
    """Neighbouring lines of a text log tell of one episode: the library's error, its stack trace, the request's line.

    An episode ends with a pause, with a new client, or after EPISODE_LINES, so that a busy log keeps its failures apart.
    """
    is_text = of_text_log()
    if not frame.select(is_text.any()).item():
        return frame
    texts = frame.filter(is_text).sort("source_file", "source_position")
    pause = (pl.col("time").diff().over("source_file") > pl.duration(seconds=EPISODE_S)) & (
        pl.len().over("source_file") > EPISODE_LINES
    )
    other_client = pl.any_horizontal(
        (pl.col(c) != pl.col(c).forward_fill().shift(1)).over("source_file").fill_null(False)
        for c in ("client_id", "client_address", "request_id")
    )
    texts = texts.with_columns(cut=(pause | other_client).fill_null(False).cast(pl.Int64).cum_sum().over("source_file"))
    texts = texts.with_columns(part=pl.int_range(pl.len()).over("source_file", "cut") // EPISODE_LINES)
    groups = texts.select(
        "n",
        "label",
        shared=pl.col("label").min().over("source_file", "cut", "part"),
        many=pl.len().over("source_file", "cut", "part") > 1,
    )
    moved = groups.filter(pl.col("label") != pl.col("shared")).group_by("label").agg(pl.col("shared").min())
    joined = groups.select("n", "many")
    return (
        frame.join(moved, on="label", how="left", maintain_order="left")
        .join(joined, on="n", how="left", maintain_order="left")
        .with_columns(
            label=pl.coalesce("shared", "label"),
            joined_by=pl.when(pl.col("many").fill_null(False))
            .then(pl.coalesce("joined_by", pl.lit("neighbouring lines")))
            .otherwise("joined_by"),
        )
        .drop("shared", "many")
    )


def _name_flows(frame: pl.DataFrame) -> pl.DataFrame:
    """A flow is named after its first exchange, so that the same input gives the same name."""
    first = frame.group_by("label", maintain_order=True).agg(pl.col("id").first())
    names = first.with_columns(
        flow=pl.Series(
            [f"f{hashlib.blake2b(i.encode(), digest_size=5).hexdigest()}" for i in first["id"]], dtype=pl.String
        )
    )
    return frame.join(names.select("label", "flow"), on="label", how="left", maintain_order="left").drop("label")


# --- failed, or not ---------------------------------------------------------------------------------------------------


def has(fact: str) -> pl.Expr:
    """Whether an exchange has a fact."""
    return pl.col("facts").list.contains(fact).fill_null(False)


def without_query(column: str) -> pl.Expr:
    """A URL without its query."""
    return pl.col(column).str.split("?").list.first()


def place_of(column: str) -> pl.Expr:
    """Host and path of a URL, to be compared with those of an exchange."""
    return without_query(column).str.split("://").list.last()


TEXT_LOG = r"(?:^|>)(?:text|nginx-error)$"
"""Source formats whose lines tell of one thing in several lines, in whatever carrier."""


def of_text_log() -> pl.Expr:
    """Whether a row was read from a log that is read as text, line by line."""
    return pl.col("source_format").str.contains(TEXT_LOG).fill_null(False)


def told_success() -> pl.Expr:
    """Whether the answer was a success, by its status or by an event log's word."""
    return ((pl.col("status") < 300) | has("success event")).fill_null(False)


STARTS_OVER_S = 5
"""A sign-in that begins so soon after a callback with a code was begun because that one was lost."""


def _mark_started_over(frame: pl.DataFrame) -> pl.DataFrame:
    """Fact ``sign-in started over``: a callback with a code is answered by a redirect, and another sign-in begins at once."""
    callback = (
        (pl.col("step") == "redirection") & pl.col("status").is_between(300, 399) & pl.col("code_fp").is_not_null()
    )
    place = pl.concat_str("host", "path")
    came_back = (
        frame.filter(callback)
        .select("n", "source_file", "time", caller=pl.col("client_address").fill_null("-"), place=place)
        .drop_nulls("time")
    )
    if came_back.is_empty():
        return frame
    asked = frame.filter(
        (pl.col("step") == "authorization") & (pl.col("prompt").fill_null("") != "none") & pl.col("time").is_not_null()
    ).select(
        "source_file",
        "time",
        caller=pl.col("client_address").fill_null("-"),
        place=place_of("redirect_uri"),
    )
    pairs = came_back.sort("time").join_asof(
        asked.drop_nulls("place").sort("time").with_columns(again=pl.lit(True)),
        on="time",
        by=["source_file", "place", "caller"],
        strategy="forward",
        tolerance=f"{STARTS_OVER_S}s",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    over = pairs.filter(pl.col("again"))["n"]
    fact = pl.lit(["sign-in started over"], dtype=pl.List(pl.String))
    return frame.with_columns(
        facts=pl.when(pl.col("n").is_in(over.implode())).then(pl.concat_list("facts", fact)).otherwise("facts")
    )


def mark_failed(frame: pl.DataFrame) -> pl.DataFrame:
    """Column ``failed``: the exchange did not give what the caller asked for."""
    status, step = pl.col("status"), pl.col("step")
    broken = pl.any_horizontal([has(fact) for fact in BROKEN_ANSWERS])
    machine = step.is_in(MACHINE_STEPS)
    oauth_error = pl.col("error").str.contains(OAUTH_ERRORS)
    no_answer = status.is_null() & pl.col("transport_error").is_not_null()
    of_resource = (
        status.is_in([401, 403]) | (oauth_error & (status >= 400)) | (status >= 400) & pl.col("challenge").is_not_null()
    ).fill_null(False)
    of_event = has("failure event")
    of_authorization = (
        (status >= 400)
        | has("redirected with error")
        | has("error page")
        | (pl.col("error").is_not_null() & (status < 300))
        | has("answer went to another redirect_uri")
    )
    of_redirection = (status >= 400) | has("sign-in started over") | has("error in redirection") | has("error page")
    of_machine = (
        (status >= 400)
        | broken
        | ((status >= 300) & (status < 400) & (step != "metadata"))
        | (pl.col("error").is_not_null() & ((status < 300) | status.is_null()))
    )
    failed = (
        pl.when(has("success event") | has("log context")).then(False)
        .when((step == "event") | of_event).then(of_event)
        .when(step == "resource").then(of_resource)
        .when(no_answer).then(True)
        .when(pl.col("method") == "OPTIONS").then((status >= 400) | has("no access-control-allow-origin"))
        .when(machine).then(of_machine)
        .when(step == "authorization").then(of_authorization)
        .when(step == "redirection").then(of_redirection)
        .otherwise(status >= 400)
    )  # fmt: skip
    return frame.with_columns(failed=failed.fill_null(False))


def mark_healthy(frame: pl.DataFrame) -> pl.DataFrame:
    """Column ``healthy``: why an answer that looks failed is none; such rows are no longer ``failed``.

    Polling (RFC 8628 §3.5), challenge then success (RFC 6750, RFC 9449 §8), discovery that tries several addresses
    (RFC 8414 §3.1), silent sign-in before an interactive one (OIDC Core §3.1.2.1), a retry that worked.
    """
    ok = ~pl.col("failed")
    same_call = ["source_file", "step", "method", "host", "path", "grant_type", "client_id"]
    late = pl.duration(seconds=120)
    later = (
        frame.filter(ok & pl.col("time").is_not_null() & (pl.col("method") != "OPTIONS"))
        .select(*same_call, "n", ok_time=pl.col("time"))
        .sort("n")
    )
    at = frame.select("n", *same_call, "time").drop_nulls("time").sort("n")
    filled = [pl.col(c).fill_null("-") for c in same_call]
    follow = at.with_columns(filled).join_asof(
        later.with_columns(filled),
        on="n",
        by=same_call,
        strategy="forward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    follow = follow.select("n", ok_after=pl.col("ok_time") - pl.col("time"))
    frame = frame.join(follow, on="n", how="left", maintain_order="left")
    soon = pl.col("ok_after") <= late
    host_ok = (ok & (pl.col("step") == "metadata") & (pl.col("time") == pl.col("time"))).any().over("source_file")
    later_ok = (ok & pl.col("step").is_in(["token", "redirection"])).cast(pl.Int64).reverse().cum_sum().reverse().over(
        "source_file", "client_id"
    ) > 0
    flow_token_ok = (
        (ok & (pl.col("step") == "token") & pl.col("issued_token_fp").is_not_null()).any().over("source_file")
    )
    transport = pl.col("transport_error").is_not_null() & pl.col("status").is_null()
    # an identity provider interrupts a sign-in (password change, second factor, consent) and logs that as an error
    went_on = (ok & has("success event")).cast(pl.Int64).cum_sum(reverse=True).over("source_file", "request_id") > 0
    accepted = frame.filter(ok & pl.col("step").is_in(["resource", "userinfo"]) & pl.col("token_fp").is_not_null())[
        "token_fp"
    ].unique()
    got_along = (
        pl.col("issued_token_fp").is_in(accepted.implode()) & (pl.col("status") < 300) & (pl.col("step") == "token")
    )
    reason = (
        pl.when(got_along).then(pl.lit("an odd token answer, but the client used its token with success"))
        .when(pl.col("error").is_in(NEGOTIATION) & (pl.col("step") == "token")).then(pl.lit("polling, as the device flow prescribes"))
        .when((pl.col("error") == "use_dpop_nonce") & soon).then(pl.lit("the server offered a DPoP nonce, and the next try used it"))
        .when(pl.col("step").is_in(["resource", "userinfo"]) & (pl.col("status") == 401) & soon).then(pl.lit("challenged, then repeated with a token that was accepted"))
        .when((pl.col("step") == "resource") & (pl.col("status") == 401) & pl.col("token_fp").is_null() & pl.col("challenge").is_not_null() & flow_token_ok).then(pl.lit("the challenge that starts a sign-in"))
        .when((pl.col("step") == "metadata") & (pl.col("status").is_in([404, 401, 405, 400])) & host_ok).then(pl.lit("discovery tries several addresses; another one answered"))
        .when(has("issuer does not fit the URL") & flow_token_ok).then(pl.lit("the issuer announced is another one, and clients of this capture accept it"))
        .when((pl.col("prompt") == "none") & pl.col("error").is_in(["login_required", "interaction_required", "consent_required", "account_selection_required"]) & later_ok).then(pl.lit("silent sign-in found no session; an interactive one followed"))
        .when(has("failure event") & ~of_text_log() & pl.col("request_id").is_not_null() & went_on).then(pl.lit("an interruption; the same sign-in went on with success"))
        .when(transport & (pl.col("ok_after") <= pl.duration(seconds=3))).then(pl.lit("a retry worked"))
        .when(pl.col("status").is_in([429, 500, 502, 503, 504]) & soon & pl.col("step").is_in(MACHINE_STEPS) & (pl.col("ok_after") <= pl.duration(seconds=3))).then(pl.lit("a retry worked"))
        .when((pl.col("step") == "end-session") & (pl.col("status") < 400)).then(pl.lit("a logout"))
    )  # fmt: skip
    return (
        frame.with_columns(healthy=pl.when("failed").then(reason))
        .with_columns(failed=pl.col("failed") & pl.col("healthy").is_null())
        .drop("ok_after")
    )
