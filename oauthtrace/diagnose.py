"""Failed exchanges -> ranked causes with calibrated confidence, evidence, and which failure merely follows from another.

Score of a cause = prior + what the message says + what the provider's code says + signs of the context, in nats; the
confidence is the softmax of the scores at :data:`TEMPERATURE`. Messages and codes repeat, so each distinct one is read
once and its scores are gathered by number; signs are polars expressions over all rows at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

import polars as pl
import polars.selectors as cs

from oauthtrace import evidence
from oauthtrace.causes import MISFIT, UNKNOWN, Cause, asked, causes, expression
from oauthtrace.causes.resemblance import resembling
from oauthtrace.correlate import has, of_text_log
from oauthtrace.follow import follow, within_callbacks
from oauthtrace.kinds import kinds_of
from oauthtrace.oauth import messages
from oauthtrace.oauth.redirect_uri import difference
from oauthtrace.providers import STANDARD, Code, find_texts
from oauthtrace.providers import code as provider_code

TEMPERATURE = 0.7
BATCH_ROWS = 100_000
CODE_WEIGHT, CODE_ALSO_WEIGHT = 3.6, 1.7
OWN_CODE = 0.6
"""Nats more for a code of the provider that answered, not of one that merely shares the word."""
CODE_DOUBT = 0.2
"""Nats less for each cause of another family that a code may stand for."""
STANDARD_WEIGHT, STANDARD_ALSO_WEIGHT = 0.9, 0.7
TEXT_WEIGHT, OWN_TEXT_WEIGHT = 3.0, 4.5
RESEMBLANCE_WEIGHT = 8.0
"""Nats of a message that is word for word the text of a cause; usual likeness is a tenth to a third of it."""
INNERMOST = 0.8
"""Nats more for what the innermost of several wrapped errors says: that is the reason, the others only pass it on."""
PART = 0.35
"""Share with which the second and later concepts of one message count."""

RANKED = 4
ALTERNATIVE = pl.Struct({"cause": pl.String, "confidence": pl.Float64})
RESULT: dict[str, Any] = {
    "cause": pl.String,
    "confidence": pl.Float64,
    "proof": pl.Boolean,
    "evidence": pl.List(pl.String),
    "alternatives": pl.List(ALTERNATIVE),
    "caused_by": pl.String,
}
"""Columns that diagnosis adds to a failed exchange."""


def diagnose(frame: pl.DataFrame) -> pl.DataFrame:
    """The failed rows of a frame with context, with the columns of RESULT, in time order."""
    failed = frame.filter("failed")
    parts = [rank(failed.slice(start, BATCH_ROWS)) for start in range(0, failed.height, BATCH_ROWS)]
    parts = [part.filter(_understood()) for part in parts]
    ranked = (
        pl.concat(parts) if parts else failed.with_columns(pl.lit(None, dtype=t).alias(n) for n, t in RESULT.items())
    )
    return within_callbacks(follow(ranked))


UNDERSTOOD = 0.25
"""A log entry whose best cause has less confidence, and that holds no OAuth error, tells of no failure."""


def _understood() -> pl.Expr:
    """Failures to keep: log entries in which nothing but a warning word was found are none."""
    vague = (
        (pl.col("step") == "event")
        & pl.col("error").is_null()
        & pl.col("error_code").is_null()
        & pl.col("status").is_null()
        & (pl.col("text_status").is_null() | has("calm line"))
    )
    return ~(vague & ((pl.col("confidence") < UNDERSTOOD) | (pl.col("cause") == UNKNOWN))).fill_null(False)


# --- ranking ------------------------------------------------------------------------------------------------------------


def rank(failed: pl.DataFrame) -> pl.DataFrame:
    """Scores, confidence, proof, evidence and alternatives of one batch of failed exchanges."""
    read = with_concepts(failed)
    scores = score(read)
    names = list(causes())
    kinds, place = kinds_of(scores, names)
    winners = pl.DataFrame(
        [_decide(names, row) for row in kinds.iter_rows()],
        schema={"cause": pl.String, "confidence": pl.Float64, "alternatives": pl.List(ALTERNATIVE)},
        orient="row",
    )
    ranked = read.with_columns(winners.select(pl.all().gather(place)))
    proved = _proved(ranked)
    told = evidence.sentences(ranked)
    return ranked.with_columns(proof=proved, evidence=told, caused_by=pl.lit(None, dtype=pl.String)).drop(
        cs.matches(READ)
    )


def _decide(names: list[str], values: tuple[float, ...]) -> tuple[str, float, list[dict[str, Any]]]:
    order = sorted(range(len(names)), key=lambda i: -values[i])[:RANKED]
    best = values[order[0]]
    total = sum(math.exp((v - best) / TEMPERATURE) for v in values)
    shares = [math.exp((values[i] - best) / TEMPERATURE) / total for i in order]
    others = [
        {"cause": names[i], "confidence": round(s, 3)} for i, s in zip(order[1:], shares[1:], strict=True) if s >= 0.005
    ]
    return names[order[0]], round(min(shares[0], 0.99), 3), others


def with_concepts(failed: pl.DataFrame) -> pl.DataFrame:
    """Columns ``said`` (concepts of the message) and ``text_codes`` (texts of providers in it); each masked message is read once."""
    # lines of one log episode tell of one failure: they are read together
    is_line = of_text_log() & (pl.len().over("flow") <= 20)
    together = (
        pl.when(is_line)
        .then(pl.col("message").drop_nulls().unique(maintain_order=True).str.join("\n").over("flow"))
        .otherwise("message")
    )
    whole = (together.fill_null("") + pl.lit(" | ") + pl.col("transport_error").fill_null("")).alias("text")
    kinds, place = kinds_of(failed.select(whole), ["text"])
    masks = kinds["text"].str.head(messages.LONGEST)
    for pattern, sign in messages.MASKS:
        masks = masks.str.replace_all(pattern, sign)
    told = [_told(text) if "://" in text else (None, None, None) for text in kinds["text"]]
    heard = pl.DataFrame(
        {
            "mask": masks,
            "said": [list(messages.read(mask)) for mask in masks],
            **{name: [t[i] for t in told] for i, name in enumerate(TOLD)},
        },
        schema={"mask": pl.String, "said": pl.List(pl.String), **dict.fromkeys(TOLD, pl.String)},
    )
    concepts, _ = asked()
    heard = heard.with_columns(
        pl.col("said").list.join(";").alias("told"),
        *[pl.col("said").list.contains(concept).alias(f"said {concept}") for concept in concepts],
    )
    return with_facts(failed.with_columns(heard.select(pl.all().gather(place))))


def with_facts(frame: pl.DataFrame) -> pl.DataFrame:
    """A column ``fact …`` for each fact that a cause asks for; each distinct list of facts is looked through once."""
    _, facts = asked()
    kinds, place = kinds_of(frame, ["facts"])
    noticed = kinds.select(pl.col("facts").list.contains(fact).fill_null(False).alias(f"fact {fact}") for fact in facts)
    return frame.with_columns(noticed.select(pl.all().gather(place)))


_TEXTS_OF = (
    "oauth2-proxy",
    "lua-resty-openidc",
    "mod-auth-openidc",
    "envoy",
    "dex",
    "spring",
    "oauthlib",
    "openiddict",
    "aws-alb",
    "ory-hydra",
    "keycloak",
    "google",
    "auth0",
    STANDARD,
)
"""Providers whose sentences are looked for in any message."""


def _texts_in(text: str, provider: str | None) -> Iterator[tuple[Code, float]]:
    """Known sentences that stand in a message, with their weight: the most specific of each provider.

    The row's own provider is believed more, and its short ones too.
    """
    if len(text) <= _SHORTEST:
        return
    if provider and (own := [code for code in find_texts(text, provider) if " " in code.code]):
        yield own[0], OWN_TEXT_WEIGHT
    for other in _TEXTS_OF:
        if other != provider and (found := find_texts(text, other)) and found[0].code.count(" ") >= _SENTENCE_BLANKS:
            yield found[0], TEXT_WEIGHT


_SHORTEST = 8
_SENTENCE_BLANKS = 2


TOLD = ("told_difference", "told_expected", "told_got")
"""What a message that names two URIs tells: how they differ, and both."""
READ = r"^(?:mask|said|told|told_\w+|said .*|fact .*)$"
"""Columns that :func:`with_concepts` adds: the masked message, its concepts, what it tells of two URIs, and what is asked."""


def _told(text: str) -> tuple[str | None, str | None, str | None]:
    pair = messages.expected_and_got(text)
    if pair is None or "://" not in pair[0] + pair[1]:
        return None, None, None
    return difference(pair[1], pair[0]), pair[0], pair[1]


def score(read: pl.DataFrame) -> pl.DataFrame:
    """One column a cause, in nats; rows as given."""
    names = list(causes())
    by_signs = read.select(_sign_score(cause).alias(cause.id) for cause in causes().values())
    kinds, place = kinds_of(read, ["mask", "provider", "error", "error_code"])
    rows = []
    for mask, provider, *code in kinds.iter_rows():
        words, coded = _score_words(mask, provider), _score_code(provider, *code)
        rows.append([_together(words.get(name, 0.0), coded.get(name, 0.0)) for name in names])
    told = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Float64), orient="row")
    return by_signs.select(pl.col(name) + told[name].gather(place) for name in names)


def _together(words: float, code: float) -> float:
    """A message and its code say the same thing twice: the stronger counts whole, the other in part."""
    return max(words, code) + PART * min(words, code)


@lru_cache(maxsize=20_000)
def _score_words(mask: str, provider: str | None) -> dict[str, float]:
    """Cause -> nats of what a masked message says: by its concepts, by known sentences, by its likeness to texts."""
    said, inner = messages.read(mask), messages.innermost(mask)
    out: dict[str, float] = {}
    for cause in causes().values():
        heard = ((concept, _said_weight(cause, concept)) for concept in said)
        weights = sorted((w + INNERMOST * (c in inner and w > 0) for c, w in heard if w is not None), reverse=True)
        positive, negative = [w for w in weights if w > 0], [w for w in weights if w < 0]
        if weights:
            out[cause.id] = (positive[0] + PART * sum(positive[1:]) if positive else 0.0) + sum(negative)
    for found, weight in _texts_in(mask, provider):
        if found.cause in causes():
            out[found.cause] = max(out.get(found.cause, 0.0), 0.0) + weight / (1 + 0.3 * len(found.also))
            for other in found.also:
                out[other] = max(out.get(other, 0.0), 0.0) + 1.0
    for name, cosine in resembling(mask):
        out[name] = out.get(name, 0.0) + RESEMBLANCE_WEIGHT * cosine
    return out


def _said_weight(cause: Cause, concept: str) -> float | None:
    """Weight of one concept for a cause: its own, else that of ``subject any``."""
    exact = cause.said.get(concept)
    if exact is not None:
        return exact
    subject, _, predicate = concept.partition(" ")
    whatever = cause.said.get(f"{subject} any")
    return whatever if whatever is None or predicate not in ("failed", "named", "must") else whatever * PART


def _score_code(provider: str | None, error: str | None, error_code: str | None) -> dict[str, float]:
    out: dict[str, float] = {}
    for word in dict.fromkeys(w for w in (error_code, error) if w):
        found = provider_code(provider, word)
        if found is None or found.cause not in causes():
            continue
        strong = found.provider != STANDARD
        main, also = (CODE_WEIGHT, CODE_ALSO_WEIGHT) if strong else (STANDARD_WEIGHT, STANDARD_ALSO_WEIGHT)
        if strong:
            family = found.cause.partition("/")[0]
            strangers = sum(not other.startswith(family) for other in found.also)
            main += OWN_CODE * (found.provider == provider)
            main = main + 1.5 if not found.also else max(main - CODE_DOUBT * strangers, also)
        out[found.cause] = max(out.get(found.cause, 0.0), main)
        for other in found.also:
            out[other] = max(out.get(other, 0.0), also)
    return out


def _sign_score(cause: Cause) -> pl.Expr:
    total = pl.lit(cause.prior)
    if cause.fits:
        total = total + pl.when(_fits(cause.fits)).then(0.0).otherwise(MISFIT)
    for sign in cause.signs:
        total = total + pl.when(expression(sign.when)).then(sign.weight).otherwise(0.0)
    return total


@cache
def _fits(fits: str) -> pl.Expr:
    """Like an expression, but what is unknown does not count against."""
    return ~expression(f"not ({fits})")


def _proved(ranked: pl.DataFrame) -> pl.Series:
    """Whether a sign that computes something fired for the winning cause."""
    proofs = pl.col("cause").is_null()
    for cause in causes().values():
        signs = [sign for sign in cause.signs if sign.proof and sign.weight > 0]
        if signs:
            proofs = (
                pl.when(pl.col("cause") == cause.id)
                .then(pl.any_horizontal([expression(sign.when) for sign in signs]))
                .otherwise(proofs)
            )
    return ranked.select(proof=proofs)["proof"]


def explain_score(row: Mapping[str, Any] | pl.DataFrame, cause_id: str) -> Iterable[tuple[str, float]]:
    """(what, weight) of everything that counted for or against a cause in one failed exchange; for maintainers."""
    frame = row if isinstance(row, pl.DataFrame) else pl.DataFrame([row])
    cause = causes()[cause_id]
    read = with_concepts(frame)
    yield "prior", cause.prior
    if cause.fits and not read.select(_fits(cause.fits).alias("x"))["x"][0]:
        yield f"misfit: {cause.fits}", MISFIT
    mask = read["mask"].to_list()[0]
    if cause_id in (words := _score_words(mask, read["provider"].to_list()[0])):
        told = [concept for concept in messages.read(mask) if _said_weight(cause, concept) is not None]
        yield f"words {told}, likeness {dict(resembling(mask)).get(cause_id, 0.0):.2f}", words[cause_id]
    coded = _score_code(*(read[c][0] for c in ("provider", "error", "error_code")))
    if cause_id in coded:
        yield "code", coded[cause_id]
    for sign in cause.signs:
        if read.select(expression(sign.when).alias("x"))["x"][0]:
            yield sign.when, sign.weight
