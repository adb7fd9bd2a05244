"""Makes the busy day: ``python -m sample_logs.make.busy_day``.

Two hundred healthy flows of five clients run side by side, and among them ten that break, each for another cause.
"""

from __future__ import annotations

import random
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import quote

from mitmproxy.http import HTTPFlow

from .client import with_
from .lab import Lab
from .recording import application_log, failed, path_of, read_flows, write_har, write_toml
from .scenarios import AUTHORIZE, TOKEN, code_in, read_metadata

OUT = Path(__file__).parents[1]
COMMENT = """What an analysis of busy-day.har has to find, and nothing else.
position: 0-based entry; related: other exchanges that follow from the failure."""
USERS = ["alice", "bruno", "chiara", "dmitri", "elif", "farid", "greta", "hugo"]
WORKERS = 3

Play = Callable[[Lab, "Person"], Any]


@dataclass(frozen=True)
class Person:
    """Who lives through a broken flow: a user of their own, and an address of their own for the application."""

    user: str
    address: str


@dataclass(frozen=True)
class Broken:
    """A flow that breaks, and where it shows."""

    play: Play
    cause: str
    at: str
    client_id: str
    also: tuple[str, ...] = ()
    network: str = "127.0.2"


BROKEN: list[Broken] = []


def breaks(cause: str, at: str, client_id: str, **options: Any) -> Callable[[Play], Play]:
    """Registers a flow that breaks."""

    def register(play: Play) -> Play:
        BROKEN.append(Broken(play, cause, at, client_id, **options))
        return play

    return register


@breaks("grant/code-invalid", TOKEN, "portal")
def code_meant_for_another_application(lab: Lab, person: Person) -> None:
    browser, other = lab.deploy("backoffice", person.user)
    code = code_in(browser.callback(f"{other.home}/sign-in"))
    lab.sign_in("portal", person.user, address=person.address, edit_redemption=with_(code=code))


@breaks("client/wrong-secret", TOKEN, "portal")
def secret_read_with_its_line_end(lab: Lab, person: Person) -> None:
    lab.sign_in("portal", person.user, address=person.address, secret=lab.app("portal").secret + "\n")


@breaks("redirect-uri/encoding", AUTHORIZE, "spa")
def encoded_by_hand_and_by_the_library(lab: Lab, person: Person) -> None:
    redirect_uri = quote(lab.app("spa").redirect_uri, safe="")
    lab.sign_in("spa", person.user, address=person.address, redirect_uri=redirect_uri)


@breaks("redirect-uri/path", AUTHORIZE, "backoffice")
def letter_case_of_the_path(lab: Lab, person: Person) -> None:
    redirect_uri = "https://backoffice.acme.test/OAuth/callback"
    lab.sign_in("backoffice", person.user, address=person.address, redirect_uri=redirect_uri)


@breaks("grant/refresh-invalid", TOKEN, "spa")
def refresh_token_of_another_client(lab: Lab, person: Person) -> None:
    token = lab.sign_in("portal", person.user, address=person.address).session.token
    backend = lab.backend("spa", address=person.address)
    backend.attempt(backend.refresh, token["refresh_token"])


@breaks("binding/pkce-mismatch", TOKEN, "spa")
def verifier_of_another_tab(lab: Lab, person: Person) -> None:
    browser, app = lab.deploy("spa", person.user, address=person.address)
    browser.callback(f"{app.home}/sign-in")
    verifier = lab.relying_party.last[browser.address].verifier
    lab.sign_in("spa", person.user, address=person.address, edit_redemption=with_(code_verifier=verifier))


@breaks("client/assertion-invalid", TOKEN, "settlement")
def key_of_last_year(lab: Lab, person: Person) -> None:
    backend = lab.backend("settlement", address=person.address, assertion=lab.flaw("kid"))
    backend.attempt(backend.fetch)


@breaks("server/metadata-mismatch", "/oauth/callback", "backoffice")
def issuer_with_a_slash(lab: Lab, person: Person) -> None:
    lab.sign_in("backoffice", person.user, address=person.address, issuer="https://login.acme.test/")


@breaks("server/intermediary", TOKEN, "reports", network="127.0.7")
def firewall_answers(lab: Lab, person: Person) -> None:
    backend = lab.backend("reports", address=person.address)
    backend.attempt(backend.fetch)


@breaks("grant/refresh-reused", TOKEN, "spa")
def two_workers_refresh(lab: Lab, person: Person) -> None:
    backend = lab.sign_in("spa", person.user, address=person.address)
    token = backend.session.token["refresh_token"]
    backend.refresh()
    backend.call()
    backend.attempt(backend.refresh, token)


class Day:
    """The healthy flows; ``idle`` holds the users that are not at it just now."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.idle: Queue[str] = Queue()
        for user in USERS:
            self.idle.put(user)

    def sign_in(self, name: str, refresh: bool = False) -> None:
        user = self.idle.get()
        backend = self.lab.sign_in(name, user)
        if refresh:
            backend.refresh()
            backend.call()
        self.idle.put(user)

    def job(self, name: str, call: bool) -> None:
        backend = self.lab.backend(name)
        backend.fetch()
        if call:
            backend.call()

    def flows(self) -> list[Callable[[], None]]:
        """All two hundred."""
        flows: list[Callable[[], None]] = []
        for number in range(8):
            for name in ("portal", "spa", "backoffice"):
                flows.append(partial(self.sign_in, name, refresh=number % 4 == 0))
        for number in range(88):
            for name in ("reports", "settlement"):
                flows.append(partial(self.job, name, call=number % 8 == 0))
        return flows


def main() -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        people = {broken.cause: person_for(broken, number) for number, broken in enumerate(BROKEN)}
        with application_log(directory / "app.log"), Lab(directory, code_lifetime=60) as lab:
            spend_day(lab, people)
            addresses = {cause: {person.address, lab.browser(person.user).address} for cause, person in people.items()}
        flows = read_flows(directory / "session.mitm")
    write_har(flows, OUT / "busy-day.har")
    tables = [("broken", locate(broken, flows, addresses[broken.cause])) for broken in BROKEN]
    tables.sort(key=lambda table: table[1]["position"])
    write_toml(tables, OUT / "busy-day.expected.toml", COMMENT)
    print(f"{len(flows)} exchanges, {time.monotonic() - started:.0f} s")


def person_for(broken: Broken, number: int) -> Person:
    return Person(f"guest{number}", f"{broken.network}.{number + 10}")


def spend_day(lab: Lab, people: dict[str, Person]) -> None:
    """Runs everything in a mixed order, a few at a time."""
    read_metadata(lab)
    for user in [*USERS, *(person.user for person in people.values())]:
        lab.browser(user)
    tasks = Day(lab).flows()
    tasks += [partial(broken.play, lab, people[broken.cause]) for broken in BROKEN]
    random.Random(20).shuffle(tasks)
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result()


def locate(broken: Broken, flows: list[HTTPFlow], addresses: set[str]) -> dict[str, Any]:
    """The table of a broken flow; its exchanges are known by the address they came from."""
    shown = [i for i, flow in enumerate(flows) if flow.client_conn.peername[0] in addresses and failed(flow)]
    position = max(i for i in shown if path_of(flows[i]) == broken.at)
    related = [other for other in shown if other != position]
    wanted = {"position": position, "cause": broken.cause, "also": broken.also, "client_id": broken.client_id}
    return wanted | {"related": related}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
