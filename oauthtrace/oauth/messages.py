"""Reading a message by concept: which subject is said to be what.

A subject is redirect_uri, code, client_secret, …; it is said to be used, expired, missing, mismatching, ….

No sentence of any product is listed. ``words.toml`` holds the words; this module cuts a message into clauses, finds
subjects and predicates in each, and pairs a predicate with the subject it speaks of. That generalises to servers that
nobody listed. A clause that enumerates reasons ("is invalid, expired, revoked, or was issued to another client") names
none of them: it is read as ``reasons listed``.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>,;)\]}|]+", re.IGNORECASE)
_FINGERPRINT = re.compile(r"\b[a-z]+:[0-9a-f]{8}\b")
_PACKAGE = re.compile(r"\b(?:\w+::)+(?=\w)|\b(?:[a-z]\w*\.){2,}(?=[A-Z])|\b\w+(?:\\\w+)*\\(?=[A-Z])")
"""Name spaces before a class: ``OmniAuth::Strategies::``, ``org.springframework.security.``, ``Laravel\\Socialite\\``."""
_TAG = re.compile(r"</?(?:[a-z][a-z0-9]*|[A-Z][A-Z0-9]*)\b(?![.:])[^<>]{0,200}>|<![^<>]{0,200}>")
"""A tag of HTML; not ``<HttpError 403 …>``, as Python shows an object."""
_FRAME = re.compile(r"^\s*(?:at |File \"|#\d+ |\.\.\. \d+ more|from /|in `|\^+$).*$", re.MULTILINE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_JOINERS = re.compile(r"(?<=[A-Za-z0-9])[_-](?=[A-Za-z0-9])")
_CLAUSE = re.compile(
    r"[.;|!?\n]+(?:\s|$)|\s[|–—]\s|:\s|\s-\s|\"\s*[:,]\s*\"?|[{}\[\]]+\"?|,\s(?=(?:please|make sure|check|see)\b)|\\n|\s(?:because|since|so that|please|try|see|which|this can|this may|this usually|make sure|check)\s"
)
_ADJECTIVES = frozenset(
    {
        "missing",
        "unknown",
        "wrong",
        "unsupported",
        "malformed",
        "expired",
        "insufficient",
        "disabled",
        "too_many",
        "used",
        "revoked",
        "insecure",
    }
)
_STANDARD_CODE = re.compile(
    r"[(\[\"']*\b(?:invalid_(?:request|grant|client|scope|token|target)|unauthorized_client|unsupported_(?:grant|response)_type"
    r"|access_denied|insufficient_scope|server_error|temporarily_unavailable)\b[)\]\"']*:?"
)
"""Codes of the standards say no more than the column ``error`` does; they are not read as words."""
_NAMED = re.compile(r"\b([A-Za-z]+_[A-Za-z_]+|[Pp]arameters?|[Ff]ields?|[Cc]laims?|[Ss]ettings?)[\"']?: ")
"""``grant_type: refresh_token is not supported``: the colon belongs to the name."""
_KEY = re.compile(r"(?:(?<=[\s(,])|^)[A-Za-z][\w.-]*=(?=[\w\"'])")
"""``key=value`` pairs of a structured log are clauses of their own."""
_ABSENT = re.compile(
    r"\b(refresh_token|access_token|id_token|code_verifier|code_challenge|code|state|nonce|client_secret|redirect_uri)[\"']?"
    r"\s*[=:]\s*[\"']?(?:absent|null|none|nil|missing|undefined|empty)\b",
    re.IGNORECASE,
)
"""A value that a log calls absent: ``refresh_token=None``."""
_EITHER = re.compile(
    r"\b(invalid|incorrect|malformed|missing|unknown|not valid)(?: ?/ ?| or | and/or )(?:is |has |was |been |already |an )*"
    r"(?:expired|revoked|used|malformed|invalid|unknown)\b|\b(?:expired|revoked)(?: ?/ ?| or | and/or )(?:is |otherwise )*(invalid|malformed)\b",
    re.IGNORECASE,
)
"""``invalid or expired`` says no more than ``invalid``."""
_BRACKETED = re.compile(r"(?<=[a-z] )\[(\w+)\](?= [a-z])")
"""``header [alg] is not supported``: a name, not a clause."""
_HTML_FOR_JSON = re.compile(
    r"(?:near|token|character|value|char|at|got|found|with)[: ]+[\"'`(]*<(?:[\"'`),. ]|$|!?doctype|html)|invalid character '<'",
    re.IGNORECASE,
)
"""What JSON parsers of all languages say of a web page: ``Unexpected token < in JSON at position 0``."""
_GRANT_NAME = re.compile(r"(?<![A-Za-z_])client_credentials(?![A-Za-z_])")
_ASIDE = re.compile(r"\b(?:e\.g\.|i\.e\.|etc\.|vs\.)", re.IGNORECASE)
LONGEST = 4000
"""Longer messages are cut (characters); what tells why stands in the beginning."""


class _Lexicon(NamedTuple):
    subjects: re.Pattern[str]
    predicates: re.Pattern[str]
    phrases: re.Pattern[str]
    subject_names: tuple[str, ...]
    predicate_names: tuple[str, ...]


@cache
def _lexicon() -> _Lexicon:
    data = tomllib.loads(files("oauthtrace.oauth").joinpath("words.toml").read_text("utf-8"))

    def compile_all(table: dict[str, list[str]]) -> re.Pattern[str]:
        groups = "|".join(f"(?P<{name}>{'|'.join(patterns)})" for name, patterns in table.items())
        return re.compile(rf"(?<![a-z0-9])(?:{groups})(?:(?<=\s)|(?![a-z0-9]))")

    return _Lexicon(
        compile_all(data["subjects"]),
        compile_all(data["predicates"]),
        compile_all(data["phrases"]),
        tuple(data["subjects"]),
        tuple(data["predicates"]),
    )


def vocabulary() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(subjects, predicates) that a concept can be made of."""
    lexicon = _lexicon()
    return lexicon.subject_names, lexicon.predicate_names


def normalise(text: str) -> str:
    """Text as the lexicon reads it: URLs and fingerprints masked, identifiers split into words, lower case."""
    text = _BRACKETED.sub(r"\1", _FRAME.sub("", text[:LONGEST]))
    text = _ABSENT.sub(r"\1 is missing. ", _GRANT_NAME.sub("client credentials grant", text))
    text = _HTML_FOR_JSON.sub(" ‹html› ", text) if "<" in text else text
    text = _EITHER.sub(lambda hit: hit[1] or hit[2], text)
    text = _STANDARD_CODE.sub(" ", _ASIDE.sub("such as", text))
    text = _KEY.sub(" | ", _NAMED.sub(r"\1 ", text))
    text = text.replace("DPoP", "dpop").replace("OAuth", "oauth").replace("OpenID", "openid")  # one word each
    text = _URL.sub(" ‹url› ", _TAG.sub(" ", text))
    text = _PACKAGE.sub("", _FINGERPRINT.sub(" ‹fp› ", text))
    text = text.replace("\\r", " ").replace("+", " ") if "+" in text and " " not in text else text.replace("\\r", " ")
    text = (
        _JOINERS.sub(" ", _CAMEL.sub(" ", text))
        .lower()
        .replace("openid connect", "openid")
        .replace("open id connect", "openid")
    )
    text = re.sub(r"\b(ca|wo)n't", r"\1nnot", text.replace("’", "'")).replace("n't", " not").replace("'s ", " ")
    text = re.sub(r"[\"'`“”<>()=/*]+", " ", text)
    return re.sub(r"[ \t]+", " ", text)


MASKS = (
    (r"\b[a-z]+:[0-9a-f]{8}\b", "‹fp›"),
    (r"(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "‹uuid›"),
    (r"\d{3,}", "0"),
)
"""Parts of a message that vary (as Python and Rust read the pattern), and what stands for them."""


def mask(text: str) -> str:
    """A message with its variable parts masked, so that equal messages are read once."""
    text = text[:LONGEST]
    for pattern, sign in MASKS:
        text = re.sub(pattern, sign, text)
    return text


@lru_cache(maxsize=20_000)
def read(text: str) -> tuple[str, ...]:
    """The concepts of a message, each ``subject predicate``, sorted; ``reasons listed`` where it enumerates.

    >>> read("The redirect_uri does not match the registered callback URL")
    ('redirect_uri mismatch',)
    >>> read("code_already_redeemed")
    ('code used',)
    """
    found: set[str] = set()
    for clause in _CLAUSE.split(normalise(text)):
        if clause and len(clause) > 3:
            found |= _read_clause(clause)
    found |= {f"phrase {hit.name}" for hit in _hits(_lexicon().phrases, normalise(text))}
    if not any(not concept.startswith(("it ", "request ")) for concept in found):
        found |= {f"{hit.name} named" for hit in _hits(_lexicon().subjects, normalise(text))[:2]}
    return tuple(sorted(found))


@lru_cache(maxsize=20_000)
def innermost(text: str) -> frozenset[str]:
    """The concepts of the last clause that holds any, where an earlier clause holds others; else none.

    Errors are wrapped from the outside: ``login failed: token exchange: invalid audience``, ``Caused by: …``.
    """
    clauses = [
        told for clause in _CLAUSE.split(normalise(text)) if clause and len(clause) > 3 and (told := _telling(clause))
    ]
    return frozenset(clauses[-1]) if len(clauses) > 1 else frozenset()


def _telling(clause: str) -> set[str]:
    return {concept for concept in _read_clause(clause) if not concept.startswith(("it ", "request ", "reasons "))}


class _Hit(NamedTuple):
    start: int
    end: int
    name: str
    attributive: bool


def _hits(pattern: re.Pattern[str], clause: str) -> list[_Hit]:
    return [
        _Hit(m.start(), m.end(), m.lastgroup or "", " " not in m[0].strip() or m[0].startswith("no "))
        for m in pattern.finditer(clause)
    ]


def _read_clause(clause: str) -> set[str]:
    lexicon = _lexicon()
    predicates = [hit for hit in _hits(lexicon.predicates, clause) if not _negated(hit, clause)]
    if not predicates:
        return set()
    subjects = _hits(lexicon.subjects, clause)
    if len({p.name for p in predicates}) >= 3 and re.search(r"\bor\b", clause):
        of = {s.name for s in subjects}
        return {"reasons listed", *(f"{name} wrong" for name in of if len(of) == 1 and name not in _GRANTS)}
    if not subjects:
        return {f"it {p.name}" for p in predicates}
    return {pair for predicate in predicates for pair in _pair(predicate, subjects)}


_GRANTS = frozenset({"grant", "code", "refresh_token", "token", "access_token", "request"})
"""What servers list every reason for: such a list tells nothing of it; a list about a scope tells that it is the scope."""
_DENIABLE = frozenset({"expired", "used", "disabled", "revoked", "denied", "wrong", "malformed"})


def _negated(predicate: _Hit, clause: str) -> bool:
    """Whether the clause denies the predicate: "the code is not expired"."""
    return predicate.name in _DENIABLE and clause[: predicate.start].rstrip().endswith(
        ("not", "never", "not been", "not yet been")
    )


def _with_compound(index: int, subjects: list[_Hit]) -> list[str]:
    """A subject and those that stand at once before it: "client assertion signature" names both."""
    names = [subjects[index].name]
    while index > 0 and subjects[index].start - subjects[index - 1].end <= 2:
        index -= 1
        names.append(subjects[index].name)
    return names


def _pair(predicate: _Hit, subjects: list[_Hit]) -> list[str]:
    """A predicate with its subject: an adjective's follows at once, a verb's precedes; a comparison has two."""
    before = [i for i, s in enumerate(subjects) if s.end <= predicate.start]
    after = [i for i, s in enumerate(subjects) if s.start >= predicate.end]
    inside = [s.name for s in subjects if s.start < predicate.end and s.end > predicate.start]
    named: list[str] = []
    if inside and not before:
        named = inside[:2]
    elif _follows_at_once(predicate, subjects, before, after):
        named = [subjects[after[0]].name]
        rest = after[1:3]
        if rest and (
            subjects[after[0]].name in (*_VAGUE, "claim") or subjects[rest[0]].start - subjects[after[0]].end <= 2
        ):
            named.append(subjects[rest[0]].name)
    elif before:
        named = _with_compound(before[-1], subjects)
        if len(before) > 1 and (subjects[before[-1]].name in _VAGUE or predicate.name in _COMPARING):
            named.append(subjects[before[-2]].name)
            if predicate.name in _COMPARING:
                named.append(subjects[before[0]].name)
        if predicate.name in _TWO_SIDED and after:
            named += [subjects[i].name for i in after[: 2 if subjects[after[0]].name in _VAGUE else 1]]
    else:
        named = inside[:2] or [subjects[i].name for i in after[:2]] or ["it"]
    return [f"{name} {predicate.name}" for name in dict.fromkeys(named)]


def _follows_at_once(predicate: _Hit, subjects: list[_Hit], before: list[int], after: list[int]) -> bool:
    """Whether an adjective's subject follows it: "missing code_verifier", but not "code_verifier is missing the …"."""
    if (
        not predicate.attributive
        or predicate.name not in _ADJECTIVES
        or not after
        or subjects[after[0]].start - predicate.end > 24
    ):
        return False
    if before and subjects[before[-1]].name == subjects[after[0]].name:
        return True  # "invalid_claim: Invalid claim 'nonce'"
    return not (before and predicate.start - subjects[before[-1]].end <= 8)


_TWO_SIDED = frozenset(
    {
        "mismatch",
        "not_allowed",
        "missing",
        "unsupported",
        "wrong",
        "insufficient",
        "disabled",
        "unreachable",
        "timeout",
        "must",
    }
)
_COMPARING = frozenset({"mismatch", "not_allowed", "unknown", "missing"})
_VAGUE = frozenset(
    {
        "request",
        "parameter",
        "response",
        "body",
        "server",
        "client",
        "credentials",
        "grant",
        "user",
        "token",
        "endpoint",
        "connection",
        "header",
    }
)


_OAUTH_WORDS = re.compile(
    r"oauth|openid|\boidc\b|\bjwks\b|id_token|invalid_(?:grant|client|scope)|redirect_uri|redirect uri|(?:access|refresh|bearer) token|authori[sz]ation code|pkce|client_secret|client secret",
    re.IGNORECASE,
)


def speaks_of_oauth(text: str | None) -> bool:
    """Whether a failing page of an application, at a place that is no endpoint, tells of OAuth (first 4,000 characters)."""
    return bool(
        text
        and len(text) < 100_000
        and _OAUTH_WORDS.search(re.sub(r"<(?:script|style|link|a)\b[^>]*>", " ", text[:4000]))
    )


def absent_values(text: str) -> set[str]:
    """Facts ``log says no NAME`` for the values that a text calls absent: ``refresh_token=None``."""
    return {f"log says no {hit[1].lower()}" for hit in _ABSENT.finditer(text[:LONGEST])}


def expected_and_got(text: str) -> tuple[str, str] | None:
    """The two values of "expected X got Y" and its like, as written; None when there is no such pair."""
    for pattern in _COMPARISONS:
        if match := pattern.search(text[:LONGEST]):
            expected, got = match["expected"].strip("\"'`.,;"), match["got"].strip("\"'`.,;")
            if expected and got and expected != got:
                return expected, got
    return None


_VALUE = r"""["'`<]?(?P<{}>[^\s"'`<>,;]+)["'`>]?"""
_ADDRESS = r"""["'`<(]*(?P<{}>[a-z][a-z0-9+.-]*://[^\s"'`<>,;)]+)["'`>)]*"""
_COMPARISONS = tuple(
    re.compile(p, re.IGNORECASE)
    for p in (
        rf"expected:?\s+(?:value\s+)?{_VALUE.format('expected')}[,;]?\s+(?:but\s+)?(?:got|received|actual|was|found|to be):?\s+{_VALUE.format('got')}",
        rf"(?:got|received|actual):?\s+{_VALUE.format('got')}[,;]?\s+(?:but\s+)?expected:?\s+{_VALUE.format('expected')}",
        rf"{_ADDRESS.format('got')}[^.|]{{0,60}}?(?:not match|mismatch|not equal|!=|differs?\b|not allowed|not registered|not (?:in|on|one of|among)|allow-?list|instead of|registered|but)[^|]{{0,80}}?{_ADDRESS.format('expected')}",
        rf"(?:grant|stored|registered) redirect uri(?: is)?:?\s+{_ADDRESS.format('got')}[^|]{{0,80}}?redirect[_ ]uri[^|]{{0,30}}?{_ADDRESS.format('expected')}",
    )
)
