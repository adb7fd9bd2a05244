"""Pseudonyms for a report that leaves the house: the same name by the same pseudonym, whatever text it stands in.

Two ways lead to a replacement. Names that the capture lists as hosts, client ids, addresses, files and programs are
replaced as words wherever they stand. And what has the form of a host, an address, a mail address, a GUID, or an id in
a path is replaced though no column lists it, since messages name machines and people that no request names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

from oauthtrace.causes import causes
from oauthtrace.report.visible import MOST, visible

_BEGINS = r"(?:(?<=%2F)|(?<=%3A)|(?<=%3D)|(?<=%20)|(?<=%22)|(?<=\+)|(?<![\w.@%-]))"
"""Where a name begins: after an escaped sign, or after what belongs to no name."""
_URL_HOST = re.compile(r"(://|%3A%2F%2F|%253A%252F%252F)(?:[^\s/@?#%]*@)?(\[[0-9a-f:.]+\]|[\w.-]+)", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]+(?:@|%40)[\w-]+(?:\.[\w-]+)*")
_USER = re.compile(
    r"(\b(?:user(?:[ _-]?name)?|login|account|principal|subject)(?:[\"']?\s*[=:]\s*[\"']?|\s+[\"'“]))(?![0-9a-f]{8}\b)([\w.+-]{2,})",
    re.IGNORECASE,
)
_GUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_CLOCK = r"\d{1,2}:\d\d(?::\d\d)?"
_ADDRESS = re.compile(
    rf"(?<![\w.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?![\w.])|(?<![\w:.])(?!{_CLOCK}(?![\w:]))(?:[0-9a-f]{{0,4}}:){{2,7}}[0-9a-f]{{0,4}}(?![\w:])",
    re.IGNORECASE,
)
_REALM = re.compile(r"(/(?:realms|tenants?|t|oauth2)/)([A-Za-z0-9_.-]{2,})(?=/)")
_KEPT_REALMS = ("v1", "v2", "v2.0", "default", "common", "organizations", "consumers", "authorize", "token", "oauth")
_ID_IN_PATH = re.compile(r"(?<=[\w-]/)(?:\d{2,}|(?=[\w-]*\d)[\w-]{12,})(?![\w-]|\.\w)")
_HOST = re.compile(
    _BEGINS
    + r"(?:[a-z0-9_](?:[\w-]*[a-z0-9])?\.)+(?:com|net|org|io|dev|app|cloud|info|biz|edu|gov|local|localdomain|lan|intra|intranet|internal"
    r"|corp|home|private|svc|consul|test|invalid|example|online|site|tech|eu|uk|de|fr|nl|be|ch|at|it|es|pt|se|no|dk|fi|cz|us|ca|mx|br|ar|in|jp|kr"
    r"|cn|hk|sg|au|nz|za|ru|ua|tr|il|ae)(?![\w-]|\.\w)",
    re.IGNORECASE,
)
_WORD = re.compile(_BEGINS + r"\w[\w.-]*", re.IGNORECASE)
_PRODUCT = re.compile(r"([A-Za-z][\w.-]*)(?:/[\w.+-]+)?")
_PUBLIC = frozenset({"localhost", "com", "net", "org", "example", "test", "co", "www", "login", "api", "app", "auth", "idp", "sso", "id", "identity", "accounts", "oauth"})  # fmt: skip
_KNOWN_SOFTWARE = frozenset({
    "mozilla", "applewebkit", "chrome", "chromium", "firefox", "gecko", "safari", "version", "mobile", "edg", "opr", "khtml", "like",
    "windows", "linux", "macintosh", "intel", "mac", "os", "x11", "android", "iphone", "ipad", "python", "requests", "httpx", "aiohttp",
    "urllib", "curl", "wget", "okhttp", "java", "go", "http", "client", "node", "fetch", "undici", "axios", "got", "postmanruntime",
    "insomnia", "authlib", "oauthlib", "dart", "ruby", "perl", "php", "guzzlehttp", "powershell", "dotnet",
})  # fmt: skip
_SHORT = 2
"""Names of so many letters are words of any text: they are replaced only where they stand alone or after client_id=."""
_COMMON = 3
"""Words in so many evidence sentences are no names."""
_CLIENT = re.compile(r"(client_?id[\"']?(?:=|%3D|: ?)[\"']?)([\w.~-]+)", re.IGNORECASE)


class Pseudonyms:
    """Show with pseudonyms: see :data:`~oauthtrace.report.visible.Show`."""

    def __init__(
        self,
        *,
        clients: Iterable[str] = (),
        hosts: Iterable[str] = (),
        addresses: Iterable[str] = (),
        files: Iterable[str] = (),
        programs: Iterable[str] = (),
    ) -> None:
        self._made: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._whole: dict[str, str] = {}
        self._phrases: dict[str, list[str]] = {}
        for kind, names in (("file", files), ("client", clients), ("address", addresses)):
            for name in names:
                self._learn(kind, name)
        for program in programs:
            self._learn_program(program)
        hosts = [host.partition(":")[0] if host.count(":") == 1 else host for host in hosts]
        suffixes = (host.lower().split(".")[-2:] for host in hosts if not host.rpartition(".")[2].isdigit())
        self._suffixes = {".".join(labels) for labels in suffixes if len(labels) > 1}
        self._labels = {suffix.split(".")[0] for suffix in self._suffixes} - _PUBLIC
        for host in hosts:
            self._names[host] = self._host(host)

    def __call__(self, value: object, most: int = MOST) -> str:
        """A value with pseudonyms in it, bounded and visible."""
        text = "" if value is None else str(value)
        if text in self._whole:
            return self._whole[text]
        room = 4 * most
        if len(text) > room:  # what is cut through the middle of a name must not be shown
            return visible(self.replace(text[:room])[:-64], most).partition("… (")[0] + f"… ({len(text):,} characters)"
        return visible(self.replace(text), most)

    def replace(self, text: str) -> str:
        """A text with all names replaced."""
        for first in {found[0].lower() for found in _WORD.finditer(text)} & self._phrases.keys():
            for phrase in self._phrases[first]:
                text = text.replace(phrase, self._names[phrase])
        text = _MAIL.sub(lambda m: self._make("user", m[0].lower().replace("%40", "@")), text)
        text = _CLIENT.sub(lambda m: m[1] + self._whole.get(m[2], m[2]), text)
        text = _USER.sub(lambda m: m[1] + self._person(m[2]), text)
        text = _URL_HOST.sub(lambda m: m[1] + self._host(m[2]), text)
        text = _GUID.sub(lambda m: self._names.get(m[0]) or self._make("guid", m[0].lower()), text)
        text = _ADDRESS.sub(lambda m: self._make("address", m[0]), text)
        text = _REALM.sub(lambda m: m[0] if m[2].lower() in _KEPT_REALMS else m[1] + self._make("realm", m[2]), text)
        text = _ID_IN_PATH.sub(lambda m: self._names.get(m[0]) or self._make("id", m[0]), text)
        text = _WORD.sub(lambda m: self._word(m[0]), text)
        return _HOST.sub(lambda m: self._host(m[0]), text)

    # --- learning ---------------------------------------------------------------------------------------------------

    def _learn(self, kind: str, name: str) -> None:
        made = self._whole[name] = self._make(kind, name)
        if len(name) <= _SHORT or name.lower() in _own_words():
            return
        self._names[name] = made
        if not re.fullmatch(r"\w[\w.-]*", name) and (first := _WORD.search(name)):
            known = self._phrases.setdefault(first[0].lower(), [])
            known.append(name)
            known.sort(key=len, reverse=True)

    def _learn_program(self, program: str) -> None:
        """A user agent whole, and the names of programs in it that are nobody's business."""
        self._whole.setdefault(program, self._make("software", program))
        for found in list(_PRODUCT.finditer(program))[:20]:
            name = found[1]
            parts = re.split(r"[-._]", name.lower())
            if len(name) > _SHORT and name.lower() not in _own_words() and not _KNOWN_SOFTWARE.issuperset(parts):
                self._names.setdefault(name, self._make("program", name))

    def _make(self, kind: str, name: str) -> str:
        if (kind, name) not in self._made:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._made[kind, name] = f"{kind}-{self._counts[kind]}"
        return self._made[kind, name]

    # --- replacing --------------------------------------------------------------------------------------------------

    def _host(self, host: str) -> str:
        bare = host.lower().rstrip(".")
        if bare.startswith("www."):
            return "www." + self._host(bare[4:])
        if bare in ("localhost", "127.0.0.1", "[::1]") or re.fullmatch(r"host-\d+\.example", bare):
            return bare
        return self._make("host", bare) + ".example"

    def _person(self, name: str) -> str:
        return name if re.fullmatch(r"(?:user|client)-\d+", name) else self._make("user", name.lower())

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


@cache
def _own_words() -> frozenset[str]:
    """Words that evidence sentences often have: a client that is called like one is not replaced inside a sentence."""
    sentences = [sign.say for cause in causes().values() for sign in cause.signs if sign.say]
    used = Counter(word for line in sentences for word in re.findall(r"[a-z]+", line.lower()))
    said = "the server log says only with status no answer came has and nothing about why"
    return frozenset((*said.split(), *(word for word, uses in used.items() if uses >= _COMMON)))
