"""Which causes' texts a message resembles: the weaker voice, for words that no concept catches.

Each cause has a centroid of words and word pairs (tf-idf), made at first use of the project's own texts: what the cause
means, how it is told from its lookalikes, and what the providers' codes mean that speak for it. A message's cosine with
a centroid is at most 1; unrelated texts have less than 0.1.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

from oauthtrace.causes import causes
from oauthtrace.oauth import messages
from oauthtrace.providers import providers

_WORD = re.compile(r"[a-z0-9]{2,}")
_ENDING = re.compile(r"(?:ing|ed|es|s|ly)$")
_SHORT = 4
"""Words no longer than this keep their ending (characters)."""
FEW = 12
"""So many causes are named for a message; the others resemble it too little to matter."""


def _terms(text: str) -> Counter[str]:
    """Stems and pairs of neighbouring stems of a text, with how often they stand in it."""
    words = _WORD.findall(messages.normalise(text))
    stems = [_ENDING.sub("", word) if len(word) > _SHORT else word for word in words]
    return Counter([*stems, *(f"{a} {b}" for a, b in itertools.pairwise(stems))])


def _corpus() -> Iterator[tuple[str, str, float]]:
    """(cause, text, weight) of every text of the project that says what a cause is like."""
    for cause in causes().values():
        yield cause.id, cause.title, 2.0
        yield cause.id, cause.meaning, 1.0
        yield cause.id, cause.told_by, 0.5
        for other, differs in cause.lookalikes:
            yield other, differs, 1.0
    for provider in providers().values():
        for code in provider.codes.values():
            text = f"{code.code} {code.meaning}"
            yield code.cause, text, 1.0
            for other in code.also:
                yield other, text, 0.3


@cache
def _model() -> tuple[Mapping[str, float], Mapping[str, Mapping[str, float]]]:
    """(term -> inverse document frequency, term -> cause -> weight in the cause's centroid)."""
    corpus = [(cause, text, weight) for cause, text, weight in _corpus() if cause in causes()]
    terms_of = {text: _terms(text) for text in {text: None for _, text, _ in corpus}}
    documents = [(cause, terms_of[text], weight) for cause, text, weight in corpus]
    found_in = Counter(term for _, terms, _ in documents for term in terms)
    rarity = {term: math.log(len(documents) / n) for term, n in found_in.items()}
    sums: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for cause, terms, weight in documents:
        for term, n in terms.items():
            sums[cause][term] += weight * (1 + math.log(n))
    postings: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for cause, total in sums.items():
        vector = {term: math.log1p(n) * rarity[term] for term, n in total.items()}
        length = math.sqrt(sum(v * v for v in vector.values()))
        for term, value in vector.items():
            postings[term][cause] = value / length
    return rarity, postings


@lru_cache(maxsize=20_000)
def resembling(message: str) -> tuple[tuple[str, float], ...]:
    """(cause, cosine) of the causes that a message resembles most, at most FEW, the nearest first."""
    if not (terms := _terms(message)):
        return ()
    rarity, postings = _model()
    vector = {t: (1 + math.log(n)) * rarity[t] for t, n in terms.items() if t in rarity}
    length = math.sqrt(sum(v * v for v in vector.values()))
    cosines: defaultdict[str, float] = defaultdict(float)
    for term, value in vector.items():
        for cause, weight in postings[term].items():
            cosines[cause] += value * weight / length
    return tuple(sorted(cosines.items(), key=lambda item: (-item[1], item[0]))[:FEW])
