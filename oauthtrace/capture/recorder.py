"""From a live flow to a record in the journal: recognised, redacted, appended. All that happens in the proxy's own time."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from oauthtrace.capture.journal import Journal, Record, Tally
from oauthtrace.capture.prefilter import may_be_oauth
from oauthtrace.oauth import endpoints, errors
from oauthtrace.oauth.observe import RawExchange, observe
from oauthtrace.providers import find_codes, provider_of
from oauthtrace.sources.captures.mitmproxy_flow import raw_exchange

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow

    from oauthtrace.privacy import Redactor

Row = dict[str, Any]
TALLY_S = 2.0
"""How often the journal is told how many flows there were."""
MOST_HOSTS = 1000
MOST_LEARNT = 5000
_ENDED_BY_CLIENT = "disconnected during the handshake"
"""mitmproxy's words for a client that ends a handshake without a reason."""
_IDENTITY = re.compile(
    r"(?:^|[.-])(?:login|auth\d?|sso|id|idp|oauth2?|oidc|accounts?|identity|signin|keycloak|sts)(?=[.-])", re.IGNORECASE
)
"""Names that hosts of authorization servers have; asked only where nothing else of a connection was seen."""


def warm_up(redactor: Redactor) -> None:
    """Load what recognising needs (the providers' files among it), so that the first exchange does not wait for it."""
    sent = "grant_type=authorization_code&code=none&client_id=warm-up&client_secret=none"
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = {"content-type": "application/json", "date": "Mon, 04 May 2026 10:00:00 GMT"}
    for status, body in (
        (200, '{"access_token": "none", "token_type": "Bearer"}'),
        (400, '{"error": "invalid_grant", "error_description": "Code expired"}'),
    ):
        raw = RawExchange("POST", "https://warm.up/token", 0.0, 0.0, form, sent, status, answer, body)
        observe(raw, redactor)
    find_codes("AADSTS50011")


class Recorder:
    """Keeps what is OAuth of the flows that it is given.

    Args:
        journal: where records go.
        redactor: makes fingerprints with the database's key.
        hosts: only these hosts and their subdomains; all when empty.
        keep_resource_calls: calls with an access token are kept; else only those that fail.
    """

    def __init__(
        self, journal: Journal, redactor: Redactor, hosts: tuple[str, ...] = (), *, keep_resource_calls: bool = True
    ) -> None:
        self.journal = journal
        self.hosts, self.keep_resource_calls = hosts, keep_resource_calls
        self.kept = 0
        self._redactor = redactor
        self._learnt: dict[str, str] = {}
        self._learnt_paths: set[bytes] = set()
        self._oauth_hosts: set[str] = set()
        self._ended: dict[str, int] = {}
        self._seen, self._hosts = 0, Counter[str]()
        self._tallied, self._tally_at = 0, time.monotonic()

    def concerns(self, flow: HTTPFlow) -> bool:
        """Count a finished or failed flow; whether it may be an exchange to keep."""
        self._count(flow.request.host)
        if self.hosts and not self._is_wanted(flow.request.pretty_host):
            return False
        return may_be_oauth(flow, self._learnt_paths)

    def take(self, flows: Iterable[tuple[HTTPFlow, int]]) -> list[Row | None]:
        """Keep what is OAuth of flows that may be: the row of each that is kept, once the journal has it.

        Args:
            flows: finished or failed flows, secrets and all, each with its number in this session, from 0.
        """
        rows, records = list[Row | None](), list[Record]()
        for flow, number in flows:
            row = None
            try:
                raw = raw_exchange(flow)
                if raw.answer_body and "_endpoint" in raw.answer_body:
                    self._learn(raw.answer_body)
                row = self._observe(raw)
            except Exception as error:  # noqa: BLE001 - hostile input must not disturb the traffic; its text may hold secrets
                records.append({"n": number, "reject": f"can't be read: {type(error).__name__}"})
            if row is not None:
                records.append({"n": number, "row": row})
            rows.append(row)
        if records:
            self.journal.append(*records)
        return rows

    def connection(self, host: str, port: int, error: str, client_address: str | None, number: int) -> Row | None:
        """Take a connection that failed before it carried a request, if its host is one of OAuth's.

        That a client ends a handshake by itself says something only when it does so again, and nothing came of it in
        between: browsers open connections ahead, and drop those that they do not need.
        """
        requests = self._hosts[host]
        self._count(host)
        if _ENDED_BY_CLIENT in error and len(self._ended) < MOST_HOSTS:
            again, self._ended[host] = self._ended.get(host) == requests, self._hosts[host]
            if not again:
                return None
        where = f"{host}:{port}" if port != 443 else host
        known = where in self._oauth_hosts or provider_of(host, None) is not None or _IDENTITY.search(host)
        if not known or (self.hosts and not self._is_wanted(host)):
            return None
        raw = RawExchange(
            "CONNECT",
            f"https://{where}/",
            time=time.time(),
            transport_error=error,
            client_address=client_address,
            step="metadata",
            sees=(),
        )
        row = self._observe(raw)
        if row is not None:
            self.journal.append({"n": number, "row": row})
        return row

    def _observe(self, raw: RawExchange) -> Row | None:
        row = observe(raw, self._redactor, self._learnt)
        if row is None or not (self.keep_resource_calls or row["step"] != "resource" or _fails(row)):
            return None
        if row["step"] != "resource" and row["host"] and len(self._oauth_hosts) < MOST_HOSTS:
            self._oauth_hosts.add(row["host"])
        self.kept += 1
        return row

    def _learn(self, body: str) -> None:
        document = errors.members(body)
        if document and len(self._learnt) < MOST_LEARNT:
            found = endpoints.learn(document)
            self._learnt |= found
            self._learnt_paths |= {urlsplit(url).path.encode().rstrip(b"/") for url in found}

    def _is_wanted(self, host: str) -> bool:
        name = host.lower()
        return any(name == wanted or name.endswith(f".{wanted}") for wanted in self.hosts)

    # --- how much there was --------------------------------------------------------------------------------------------

    def _count(self, host: str) -> None:
        self._seen += 1
        if host in self._hosts or len(self._hosts) < MOST_HOSTS:
            self._hosts[host] += 1
        if time.monotonic() - self._tally_at > TALLY_S:
            self.tally()

    def tally(self) -> None:
        """Tell the journal how many flows there were, if there were more."""
        self._tally_at = time.monotonic()
        if self._seen != self._tallied:
            self._tallied = self._seen
            self.journal.append(Tally(self._seen, self._hosts).record())


def _fails(row: Row) -> bool:
    status = row["status"]
    return status is None or status >= 400 or bool(row.get("error"))
