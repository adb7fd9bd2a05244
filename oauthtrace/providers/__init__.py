"""What is known of each provider: a data file each, loaded once and looked up cheaply.

A provider is an authorization server, a client library or a gateway; `rfc` holds the codes of the standards.
The file's table `[codes]` maps the provider's own error codes to causes. A row marked `pattern` is a text in which
`*` stands for a part that varies; `cause = "none"` marks a normal step that is no failure.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

__all__ = ["STANDARD", "Code", "Provider", "code", "find_codes", "find_texts", "provider_of", "providers"]

STANDARD = "rfc"
"""Id of the provider that holds the codes of the standards."""

_VARIABLE_PART = 400
"""Most characters that `*` in a pattern stands for: keeps the search linear on long texts."""


@dataclass(frozen=True, slots=True)
class Code:
    """One error code or message of a provider, and the cause it speaks for."""

    provider: str
    code: str
    cause: str
    """Id of the likeliest cause, or `none` for a step that is no failure."""
    also: tuple[str, ...]
    """Ids of other causes that the same code may stand for."""
    meaning: str
    pattern: bool = False
    """Whether `*` in the code stands for a part that varies."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: how it is told, what its codes mean, where its settings are."""

    id: str
    name: str
    kind: str
    """`authorization_server`, `library`, `gateway` or `standard`."""
    hosts: tuple[str, ...] = ()
    """Exact host names, or `*.` and a suffix."""
    paths: tuple[str, ...] = ()
    """Fragments of URL paths (lower case) that tell the product on any host."""
    headers: tuple[str, ...] = ()
    """Response header names (lower case) that tell the product."""
    specialises: str | None = None
    """Id of the provider whose hosts this one shares: there its paths win over the host."""
    client_auth: tuple[str, ...] = ()
    """Documented token endpoint authentication methods of confidential clients, when the provider takes no other."""
    authorization_code_lifetime_s: int | None = None
    """Documented (default) life of an authorization code, in seconds."""
    refresh_token_idle_s: int | None = None
    """Documented (default) time after which an unused refresh token ends, in seconds."""
    console: str = ""
    docs: str = ""
    code_pattern: str | None = None
    """Regular expression that finds this provider's codes in any text, tried at the start of each word.

    Its groups, if it has any, joined by `/`, are the code; otherwise the whole match is.
    """
    codes: Mapping[str, Code] = field(default_factory=lambda: MappingProxyType({}))


def _read(data: Mapping[str, Any]) -> Provider:
    """Turn one parsed data file into a provider; an unknown or missing key is an error."""
    known = dict(data)
    provider = str(known["id"])
    codes = {
        name: Code(
            provider=provider,
            code=name,
            cause=row["cause"],
            also=tuple(row.get("also", ())),
            meaning=row["meaning"],
            pattern=row.get("pattern", False),
        )
        for name, row in known.pop("codes", {}).items()
    }
    for name in ("hosts", "paths", "headers", "client_auth"):
        known[name] = tuple(known.get(name, ()))
    return Provider(**known, codes=MappingProxyType(codes))


@cache
def providers() -> Mapping[str, Provider]:
    """Return all providers by id, in the order of their files."""
    found = {}
    for file in sorted(files(__name__).iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            provider = _read(tomllib.loads(file.read_text(encoding="utf-8")))
            found[provider.id] = provider
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True)
class _Index:
    """Everything a look-up needs, built once from all data files."""

    hosts: Mapping[str, str]
    suffixes: Mapping[str, str]
    paths: tuple[tuple[str, str], ...]
    special: Mapping[str, tuple[tuple[str, str], ...]]
    headers: Mapping[str, str]
    gate: re.Pattern[str]
    """All code patterns without a group: three times as fast as `finder`, which is only asked where this one hits."""
    finder: re.Pattern[str]
    groups: Mapping[int, tuple[str, int]]
    by_code: Mapping[str, tuple[Code, ...]]


@cache
def _index() -> _Index:
    hosts: dict[str, str] = {}
    suffixes: dict[str, str] = {}
    paths: list[tuple[str, str]] = []
    special: dict[str, list[tuple[str, str]]] = {}
    headers: dict[str, str] = {}
    patterns: list[str] = []
    bare: list[str] = []
    groups: dict[int, tuple[str, int]] = {}
    by_code: dict[str, list[Code]] = {}
    next_group = 1
    for provider in providers().values():
        for host in provider.hosts:
            if host.startswith("*."):
                suffixes[host[2:]] = provider.id
            else:
                hosts[host] = provider.id
        own_paths = [(path.lower(), provider.id) for path in provider.paths]
        paths += own_paths
        if provider.specialises:
            special.setdefault(provider.specialises, []).extend(own_paths)
        headers.update(dict.fromkeys(provider.headers, provider.id))
        if provider.code_pattern:
            own_groups = re.compile(provider.code_pattern).groups
            patterns.append(f"({provider.code_pattern})")
            bare.append(re.sub(r"(?<!\\)\((?!\?)", "(?:", provider.code_pattern))
            groups[next_group] = (provider.id, own_groups)
            next_group += 1 + own_groups
        for entry in provider.codes.values():
            by_code.setdefault(entry.code, []).append(entry)

    def ranked(fragments: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Put the provider that specialises another first, then the longest fragment, which says most."""
        known = providers()
        return tuple(sorted(fragments, key=lambda item: (known[item[1]].specialises is None, -len(item[0]), item[0])))

    return _Index(
        hosts=hosts,
        suffixes=suffixes,
        paths=ranked(paths),
        special={base: ranked(fragments) for base, fragments in special.items()},
        headers=headers,
        gate=re.compile(rf"\b(?:{'|'.join(bare)})"),
        finder=re.compile(rf"\b(?:{'|'.join(patterns)})"),
        groups=groups,
        by_code={name: tuple(entries) for name, entries in by_code.items()},
    )


@lru_cache(maxsize=65536)
def _by_host(host: str) -> str | None:
    """Return the provider that a host name belongs to: exact names first, then ever shorter suffixes."""
    index = _index()
    # "[::1]:8443" and "[::1]" keep their brackets; a port is dropped.
    name = (host.rpartition(":")[0] if re.search(r"(?:^[^:]*|\]):\d*$", host) else host).rstrip(".").lower()
    if name in index.hosts:
        return index.hosts[name]
    while name:
        _, _, name = name.partition(".")
        if name in index.suffixes:
            return index.suffixes[name]
    return None


@lru_cache(maxsize=65536)
def _by_path(path: str, base: str | None = None) -> str | None:
    """Return the provider that a path tells, among all or among those that specialise `base`."""
    lowered = path.lower()
    candidates = _index().paths if base is None else _index().special.get(base, ())
    return next((provider for fragment, provider in candidates if fragment in lowered), None)


def provider_of(host: str | None, path: str | None, header_names: Collection[str] = ()) -> str | None:
    """Return the id of the provider that answered, by host, then path, then response headers; None if unknown.

    `host` may carry a port; `path` may carry a query, which is not looked at; header names may have any letter case.
    """
    fragment = path.partition("?")[0] if path else None
    found = _by_host(host) if host else None
    if found is not None:
        return (_by_path(fragment, found) if fragment else None) or found
    if fragment and (told := _by_path(fragment)) is not None:
        return told
    headers = _index().headers
    return next((headers[name] for raw in header_names if (name := raw.lower()) in headers), None)


def find_codes(text: str) -> list[tuple[str, str]]:
    """Return the providers' own codes that stand in a text, as (provider id, code), in order and without repeats.

    A code that no data file lists is returned too, if it has the form of that provider's codes.
    """
    index = _index()
    found: dict[tuple[str, str], None] = {}
    for hit in index.gate.finditer(text):
        if (match := index.finder.match(text, hit.start())) is None:
            continue
        groups = match.groups()
        for number, (provider, own) in index.groups.items():
            if groups[number - 1] is not None:
                parts = [part for part in groups[number : number + own] if part is not None]
                found[provider, "/".join(parts) or match.group()] = None
                break
    return list(found)


@cache
def _texts(provider_id: str) -> tuple[tuple[re.Pattern[str], Code], ...]:
    """Return a provider's codes that are texts rather than words, the longest first, as patterns."""
    entries = [entry for entry in providers()[provider_id].codes.values() if entry.pattern or " " in entry.code]
    gap = f".{{0,{_VARIABLE_PART}}}?"
    entries.sort(key=lambda entry: -len(entry.code))
    return tuple(
        (re.compile(gap.join(map(re.escape, entry.code.split("*"))), re.IGNORECASE | re.DOTALL), entry)
        for entry in entries
    )


def find_texts(text: str, provider_id: str) -> list[Code]:
    """Return a provider's known messages that occur in a text, the most specific first.

    Letter case does not matter, and the fixed parts of a pattern must occur in order.
    """
    if provider_id not in providers():
        return []
    return [entry for pattern, entry in _texts(provider_id) if pattern.search(text)]


def code(provider_id: str | None, code: str) -> Code | None:
    """Return what a code means: at that provider, else in the standards, else at the only provider that has it.

    A code with a finer part behind a slash (`190/460`) falls back to the part before it.
    """
    known = providers()
    for name in dict.fromkeys((code, code.partition("/")[0])):
        for place in (provider_id, STANDARD):
            if place is not None and place in known and (entry := known[place].codes.get(name)) is not None:
                return entry
        if len(entries := _index().by_code.get(name, ())) == 1:
            return entries[0]
    return None
