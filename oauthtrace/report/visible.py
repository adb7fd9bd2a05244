"""Every string from a log is hostile: made visible, bounded, and on request replaced by pseudonyms.

Markup is escaped by the templates. Here the rest: control and bidirectional characters are shown as marks, long values
are cut, and :class:`Pseudonyms` replaces hosts, client ids, users and addresses consistently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

Show = Callable[..., str]
"""``show(value, most)``: a string from a log as the report may show it."""

MOST = 300
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_PILED = re.compile(
    r"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{2})[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def visible(value: object, most: int = MOST) -> str:
    r"""A value as one bounded line of text without anything hidden in it.

    >>> visible("a\u202eb")
    'a⟨U+202E⟩b'
    """
    text = "" if value is None else str(value)
    cut = text[:most]
    cut = _PILED.sub(r"\1", _HIDDEN.sub(lambda m: f"⟨U+{ord(m[0]):04X}⟩", cut.replace("\n", " ⏎ ").replace("\t", " ")))
    return cut if len(text) <= most else f"{cut}… ({len(text):,} characters)"


def plain(value: object, most: int = MOST) -> str:
    """:data:`Show` without pseudonyms."""
    return visible(value, most)


_URL_HOST = re.compile(r"(://|%3A%2F%2F|%253A%252F%252F)(?:[^\s/@?#%]*@)?(\[[0-9a-f:.]+\]|[\w.-]+)", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_GUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])|(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE
)
_REALM = re.compile(r"(/(?:realms|tenants?|t|oauth2)/)([A-Za-z0-9_.-]{2,})(?=/)")
_WORD = re.compile(r"(?:(?<=%2F)|(?<=%3A)|(?<=%3D)|(?<=%20)|(?<=\+)|(?<![\w.%-]))\w[\w.-]*", re.IGNORECASE)
_KEPT_REALMS = ("v1", "v2", "v2.0", "default", "common", "organizations", "consumers", "authorize", "token", "oauth")
_PUBLIC = (
    "localhost",
    "com",
    "net",
    "org",
    "example",
    "test",
    "co",
    "www",
    "login",
    "api",
    "app",
    "auth",
    "idp",
    "sso",
)


class Pseudonyms:
    """:data:`Show` that replaces names: the same name by the same pseudonym, whatever text it stands in."""

    def __init__(
        self, *, clients: Iterable[str], hosts: Iterable[str], addresses: Iterable[str], files: Iterable[str]
    ) -> None:
        self._made: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._phrases: list[str] = []
        for kind, names in (("file", files), ("client", clients), ("address", addresses)):
            for name in names:
                self._learn(kind, name)
        hosts = [host.partition(":")[0] if host.count(":") == 1 else host for host in hosts]
        self._suffixes = {
            ".".join(host.split(".")[-2:])
            for host in hosts
            if host.count(".") >= 1 and not host.rpartition(".")[2].isdigit()
        }
        self._labels = {suffix.split(".")[0] for suffix in self._suffixes} - set(_PUBLIC)
        for host in hosts:
            self._names[host] = self._host(host)

    def __call__(self, value: object, most: int = MOST) -> str:
        """A value with pseudonyms in it, bounded and visible."""
        text = "" if value is None else str(value)
        return visible(self.replace(text[: 4 * most]) + text[4 * most :], most)

    def replace(self, text: str) -> str:
        """A text with all names replaced."""
        for phrase in self._phrases:
            text = text.replace(phrase, self._names[phrase])
        text = _MAIL.sub(lambda m: self._make("user", m[0].lower().replace("%40", "@")), text)
        text = _URL_HOST.sub(lambda m: m[1] + self._host(m[2]), text)
        text = _GUID.sub(lambda m: self._names.get(m[0]) or self._make("guid", m[0].lower()), text)
        text = _ADDRESS.sub(lambda m: self._make("address", m[0]), text)
        text = _REALM.sub(lambda m: m[0] if m[2].lower() in _KEPT_REALMS else m[1] + self._make("realm", m[2]), text)
        return _WORD.sub(lambda m: self._word(m[0]), text)

    def _learn(self, kind: str, name: str) -> None:
        self._names[name] = self._make(kind, name)
        if not re.fullmatch(r"\w[\w.-]*", name):
            self._phrases = sorted([*self._phrases, name], key=len, reverse=True)

    def _make(self, kind: str, name: str) -> str:
        if (kind, name) not in self._made:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._made[kind, name] = f"{kind}-{self._counts[kind]}"
        return self._made[kind, name]

    def _host(self, host: str) -> str:
        bare = host.lower().rstrip(".")
        if bare.startswith("www."):
            return "www." + self._host(bare[4:])
        if bare in ("localhost", "127.0.0.1", "[::1]") or re.fullmatch(r"host-\d+\.example", bare):
            return bare
        return self._make("host", bare) + ".example"

    def _word(self, word: str) -> str:
        bare = word.rstrip(".-")
        if bare in self._names:
            return self._names[bare] + word[len(bare) :]
        lower = bare.lower()
        if "." in lower and ".".join(lower.split(".")[-2:]) in self._suffixes:
            return self._host(lower) + word[len(bare) :]
        if self._labels.intersection(re.split(r"[-._]", lower)):
            return self._make("name", lower) + word[len(bare) :]
        return word
