"""What is played, one function each, with the cause that its failure has."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Response, json

from .authorization_server import API, ISSUER, page
from .client import slowly, with_
from .lab import Lab

AUTHORIZE = "/oauth/authorize"
TOKEN = "/oauth/token"
ORDERS = "/v1/orders"


@dataclass(frozen=True)
class Scenario:
    """A play, the file it goes to, and what an analysis has to find: a cause and the path of the failed request."""

    play: Callable[[Lab], Any]
    file: str
    cause: str | None
    at: str
    client_id: str | None
    also: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.play.__name__


SCENARIOS: list[Scenario] = []


def scenario(
    file: str, cause: str | None = None, at: str = "", client_id: str | None = None, also: tuple[str, ...] = ()
) -> Callable[[Callable[[Lab], Any]], Callable[[Lab], Any]]:
    """Registers a play. Without a cause it is a healthy one."""

    def register(play: Callable[[Lab], Any]) -> Callable[[Lab], Any]:
        SCENARIOS.append(Scenario(play, file, cause, at, client_id, also))
        return play

    return register


def code_in(url: str) -> str:
    """The authorization code that a callback URL carries."""
    return parse_qs(urlsplit(url).query)["code"][0]


def read_metadata(lab: Lab) -> None:
    lab.backend("portal").session.get(f"{ISSUER}/.well-known/openid-configuration", withhold_token=True)


def web_clients_work(lab: Lab) -> None:
    """The day begins well: whoever has a browser signs in."""
    read_metadata(lab)
    lab.sign_in("portal")
    lab.sign_in("spa", "bruno")
    lab.sign_in("backoffice", "chiara")


def machines_work(lab: Lab) -> None:
    """The jobs of the night fetch their tokens."""
    for name in ("reports", "settlement", "billing-sync"):
        lab.backend(name).fetch()


# healthy


@scenario("healthy")
def sign_ins(lab: Lab) -> None:
    web_clients_work(lab)
    lab.sign_in("spa", "alice")
    lab.sign_in("backoffice", "chiara", calls=f"{ISSUER}/oauth/userinfo")


@scenario("healthy")
def jobs(lab: Lab) -> None:
    machines_work(lab)
    reports = lab.backend("reports")
    reports.fetch()
    reports.call()


@scenario("healthy")
def refreshes(lab: Lab) -> None:
    for name, user in (("portal", "alice"), ("spa", "bruno")):
        backend = lab.sign_in(name, user)
        for _ in range(3):
            backend.refresh()
            backend.call()


@scenario("healthy", at=ORDERS, client_id="spa", also=("grant/access-token-expired",))
def expired_token_is_refreshed_at_once(lab: Lab) -> None:
    with lifetimes(lab, "spa", access_lifetime=1):
        backend = lab.sign_in("spa", "bruno")
        time.sleep(2.2)
        backend.call_or_refresh()


@scenario("healthy")
def sign_out(lab: Lab) -> None:
    lab.sign_in("portal").revoke()


@scenario("healthy")
def consent_is_given(lab: Lab) -> None:
    lab.sign_in("portal", edit_authorization=with_(prompt="consent"))


# redirect-uri

scenario("redirect-uri")(web_clients_work)


@scenario("redirect-uri", "redirect-uri/scheme", AUTHORIZE, "portal")
def http_instead_of_https(lab: Lab) -> None:
    lab.sign_in("portal", redirect_uri="http://portal.acme.test/callback")


@scenario("redirect-uri", "redirect-uri/host", AUTHORIZE, "portal")
def www_in_front(lab: Lab) -> None:
    lab.sign_in("portal", redirect_uri="https://www.portal.acme.test/callback")


@scenario("redirect-uri", "redirect-uri/host", AUTHORIZE, "spa")
def developer_machine(lab: Lab) -> None:
    lab.sign_in("spa", "bruno", redirect_uri="https://localhost/signed-in")


@scenario("redirect-uri", "redirect-uri/port", AUTHORIZE, "portal")
def other_port(lab: Lab) -> None:
    lab.sign_in("portal", redirect_uri="https://portal.acme.test:8443/callback")


@scenario("redirect-uri", "redirect-uri/path", AUTHORIZE, "portal")
def misspelt_path(lab: Lab) -> None:
    lab.sign_in("portal", redirect_uri="https://portal.acme.test/calback")


@scenario("redirect-uri", "redirect-uri/trailing-slash", AUTHORIZE, "portal")
def trailing_slash(lab: Lab) -> None:
    lab.sign_in("portal", redirect_uri="https://portal.acme.test/callback/")


@scenario("redirect-uri", "redirect-uri/query-or-fragment", AUTHORIZE, "spa")
def extra_query(lab: Lab) -> None:
    lab.sign_in("spa", "bruno", redirect_uri="https://spa.acme.test/signed-in?from=menu")


@scenario("redirect-uri", "redirect-uri/token-request-differs", TOKEN, "portal")
def other_redirect_uri_at_redemption(lab: Lab) -> None:
    lab.sign_in("portal", edit_redemption=with_(redirect_uri="https://portal.acme.test/"))


@scenario("redirect-uri", "redirect-uri/token-request-differs", TOKEN, "backoffice")
def no_redirect_uri_at_redemption(lab: Lab) -> None:
    lab.sign_in("backoffice", "chiara", edit_redemption=with_(redirect_uri=None))


@scenario("redirect-uri", "redirect-uri/missing", AUTHORIZE, "backoffice")
def no_redirect_uri(lab: Lab) -> None:
    lab.sign_in("backoffice", "chiara", edit_authorization=with_(redirect_uri=None))


# client

scenario("client")(web_clients_work)
scenario("client")(machines_work)


@scenario("client", "client/unknown-id", AUTHORIZE, "portal-stage")
def client_of_another_environment(lab: Lab) -> None:
    lab.sign_in("portal", client_id="portal-stage")


@scenario("client", "client/unknown-id", TOKEN, "report")
def misspelt_client_id(lab: Lab) -> None:
    fetch(lab, "reports", client_id="report")


@scenario("client", "client/wrong-secret", TOKEN, "reports")
def wrong_secret(lab: Lab) -> None:
    fetch(lab, "reports", secret=lab.app("portal").secret)


@scenario("client", "client/wrong-secret", TOKEN, "portal")
def rotated_secret(lab: Lab) -> None:
    """The client works, then an administrator renews its secret."""
    client = lab.provider.store.clients["portal"]
    backend = lab.sign_in("portal")
    backend.refresh()
    old, client.secret = client.secret, "a-new-secret-that-nobody-told-the-portal"
    backend.attempt(backend.refresh)
    client.secret = old


@scenario("client", "client/missing-credentials", TOKEN, "reports")
def no_credentials(lab: Lab) -> None:
    fetch(lab, "reports", auth_method="none")


@scenario("client", "client/missing-credentials", TOKEN, "billing-sync", also=("server/intermediary",))
def gateway_strips_authorization(lab: Lab) -> None:
    fetch(lab, "billing-sync", token_endpoint="https://gateway.acme.test/oauth/token")


@scenario("client", "client/auth-method", TOKEN, "reports")
def basic_instead_of_post(lab: Lab) -> None:
    fetch(lab, "reports", auth_method="client_secret_basic")


@scenario("client", "client/auth-method", TOKEN, "portal")
def post_instead_of_basic(lab: Lab) -> None:
    lab.sign_in("portal", auth_method="client_secret_post")


@scenario("client", "client/assertion-invalid", TOKEN, "settlement")
def assertion_for_another_endpoint(lab: Lab) -> None:
    fetch(lab, "settlement", assertion=lab.flaw("audience"))


# server

scenario("server")(web_clients_work)
scenario("server")(machines_work)


@scenario("server", "server/wrong-endpoint", "/token", "reports")
def path_of_another_product(lab: Lab) -> None:
    fetch(lab, "reports", token_endpoint=f"{ISSUER}/token")


@scenario("server", "server/wrong-endpoint", TOKEN, "billing-sync")
def http_endpoint(lab: Lab) -> None:
    """nginx redirects to https, the library follows with GET."""
    fetch(lab, "billing-sync", token_endpoint="http://login.acme.test/oauth/token")


@scenario("server", "server/wrong-endpoint", "/authorize", "portal")
def wrong_authorization_endpoint(lab: Lab) -> None:
    lab.sign_in("portal", authorization_endpoint=f"{ISSUER}/authorize")


@scenario("server", "server/outage", TOKEN, "portal")
def internal_error(lab: Lab) -> None:
    with lab.failing(crash):
        lab.sign_in("portal")


@scenario("server", "server/outage", TOKEN, "reports")
def maintenance(lab: Lab) -> None:
    with lab.failing(unavailable):
        fetch(lab, "reports")


@scenario("server", "server/unreachable", TOKEN, "reports")
def provider_is_down(lab: Lab) -> None:
    with lab.provider_down():
        fetch(lab, "reports")


@scenario("server", "server/unreachable", AUTHORIZE, "spa")
def provider_is_down_for_a_browser(lab: Lab) -> None:
    with lab.provider_down():
        lab.sign_in("spa", "bruno")


@scenario("server", "server/unreachable", TOKEN, "settlement")
def nobody_listens(lab: Lab) -> None:
    fetch(lab, "settlement", token_endpoint="https://login-eu.acme.test/oauth/token")


@scenario("server", "server/timeout", TOKEN, "reports")
def gateway_timeout(lab: Lab) -> None:
    with lab.failing(lambda: time.sleep(2.6)):
        fetch(lab, "reports")


@scenario("server", "server/timeout", TOKEN, "billing-sync")
def client_gives_up(lab: Lab) -> None:
    with lab.failing(lambda: time.sleep(1.6)):
        fetch(lab, "billing-sync", timeout=0.8)
        time.sleep(1)


@scenario("server", "server/tls", TOKEN, "reports")
def expired_certificate(lab: Lab) -> None:
    fetch(lab, "reports", token_endpoint="https://legacy.acme.test/oauth/token")


@scenario("server", "server/rate-limited", TOKEN, "reports")
def eager_batch(lab: Lab) -> None:
    backend = lab.backend("reports", address="127.0.6.5")
    for _ in range(12):
        backend.attempt(backend.fetch)


@scenario("server", "server/malformed-response", TOKEN, "portal")
def html_instead_of_json(lab: Lab) -> None:
    with lab.failing(lambda: page("Acme ID", "<p>We are making things better. Please come back later.</p>")):
        lab.sign_in("portal")


@scenario("server", "server/malformed-response", TOKEN, "backoffice")
def no_token_type(lab: Lab) -> None:
    with lab.spoiling(without_token_type):
        lab.sign_in("backoffice", "chiara")


@scenario("server", "server/malformed-response", TOKEN, "reports")
def lifetime_in_words(lab: Lab) -> None:
    with lab.spoiling(lifetime_as_word):
        fetch(lab, "reports")


@scenario("server", "server/metadata-mismatch", "/callback", "portal")
def other_issuer(lab: Lab) -> None:
    """The application expects the issuer's name from before a move."""
    lab.sign_in("portal", issuer="https://id.acme.test")


# grant

scenario("grant")(web_clients_work)
scenario("grant")(machines_work)


@scenario("grant", "grant/code-expired", TOKEN, "portal")
def slow_application(lab: Lab) -> None:
    lab.sign_in("portal", edit_redemption=slowly(2.4))


@scenario("grant", "grant/code-reused", TOKEN, "portal")
def page_is_reloaded(lab: Lab) -> None:
    browser, app = lab.deploy("portal")
    browser.get(browser.get(f"{app.home}/sign-in").url)


@scenario("grant", "grant/code-invalid", TOKEN, "portal")
def code_of_another_client(lab: Lab) -> None:
    browser, spa = lab.deploy("spa", "bruno")
    code = code_in(browser.callback(f"{spa.home}/sign-in"))
    lab.sign_in("portal", edit_redemption=with_(code=code))


@scenario("grant", "grant/refresh-expired", TOKEN, "spa")
def long_pause(lab: Lab) -> None:
    with lifetimes(lab, "spa", refresh_lifetime=1):
        backend = lab.sign_in("spa", "bruno")
        time.sleep(2.2)
        backend.attempt(backend.refresh)


@scenario("grant", "grant/refresh-reused", TOKEN, "spa")
def old_refresh_token(lab: Lab) -> None:
    backend = lab.sign_in("spa", "bruno")
    old = backend.session.token["refresh_token"]
    backend.refresh()
    backend.attempt(backend.refresh, old)


@scenario("grant", "grant/refresh-revoked", TOKEN, "portal")
def used_after_sign_out(lab: Lab) -> None:
    backend = lab.sign_in("portal")
    backend.revoke()
    backend.attempt(backend.refresh)


@scenario("grant", "grant/refresh-revoked", TOKEN, "backoffice")
def administrator_ends_sessions(lab: Lab) -> None:
    backend = lab.sign_in("backoffice", "chiara")
    lab.provider.store.revoke_user("chiara")
    backend.attempt(backend.refresh)


@scenario("grant", "grant/access-token-expired", ORDERS, "spa")
def expired_access_token(lab: Lab) -> None:
    with lifetimes(lab, "spa", access_lifetime=1):
        backend = lab.sign_in("spa", "bruno")
        time.sleep(2.2)
        backend.call()


@scenario("grant", "grant/wrong-audience", ORDERS, "billing-sync")
def token_for_another_api(lab: Lab) -> None:
    backend = lab.backend("billing-sync")
    backend.fetch()
    backend.call()


@scenario("grant", "grant/access-token-invalid", ORDERS, "settlement")
def truncated_token(lab: Lab) -> None:
    backend = lab.backend("settlement")
    token = backend.fetch()
    backend.session.token = token | {"access_token": token["access_token"][:255]}
    backend.call()


@scenario("grant", "grant/access-token-invalid", "/v1/payments", "portal")
def revoked_access_token(lab: Lab) -> None:
    backend = lab.sign_in("portal", calls=f"{API}/v1/payments")
    backend.revoke()
    backend.call()


# scope

scenario("scope")(web_clients_work)
scenario("scope")(machines_work)


@scenario("scope", "scope/invalid", TOKEN, "reports")
def misspelt_scope(lab: Lab) -> None:
    fetch(lab, "reports", scope="report:read")


@scenario("scope", "scope/invalid", AUTHORIZE, "portal")
def commas_between_scopes(lab: Lab) -> None:
    lab.sign_in("portal", scope="openid,profile,email")


@scenario("scope", "scope/not-allowed", TOKEN, "reports")
def scope_of_administrators(lab: Lab) -> None:
    fetch(lab, "reports", scope="admin:all")


@scenario("scope", "scope/not-allowed", AUTHORIZE, "portal")
def scope_of_another_client(lab: Lab) -> None:
    lab.sign_in("portal", scope="openid orders:read orders:write")


@scenario("scope", "scope/insufficient", ORDERS, "portal")
def write_with_a_token_to_read(lab: Lab) -> None:
    lab.sign_in("portal").call("POST")


@scenario("scope", "scope/insufficient", ORDERS, "reports")
def orders_with_a_token_for_reports(lab: Lab) -> None:
    backend = lab.backend("reports")
    backend.fetch()
    backend.call(url=f"{API}{ORDERS}")


# binding and user

scenario("binding-and-user")(web_clients_work)


@scenario("binding-and-user", "binding/pkce-mismatch", TOKEN, "spa")
def other_verifier(lab: Lab) -> None:
    lab.sign_in("spa", "bruno", edit_redemption=with_(code_verifier="sample" * 8))


@scenario("binding-and-user", "binding/pkce-missing", TOKEN, "spa")
def no_verifier(lab: Lab) -> None:
    lab.sign_in("spa", "bruno", edit_redemption=with_(code_verifier=None))


@scenario("binding-and-user", "binding/pkce-missing", TOKEN, "portal")
def no_challenge(lab: Lab) -> None:
    lab.sign_in("portal", edit_authorization=with_(code_verifier=None))


@scenario("binding-and-user", "binding/state-mismatch", "/callback", "portal")
def cookie_is_lost(lab: Lab) -> None:
    browser, app = lab.deploy("portal")
    callback = browser.callback(f"{app.home}/sign-in")
    browser.forget("portal.acme.test")
    browser.get(callback)


@scenario("binding-and-user", "binding/state-mismatch", "/callback", "portal")
def two_tabs(lab: Lab) -> None:
    browser, app = lab.deploy("portal")
    callback = browser.callback(f"{app.home}/sign-in")
    browser.callback(f"{app.home}/sign-in")
    browser.get(callback)


@scenario("binding-and-user", "binding/nonce-mismatch", "/signed-in", "spa")
def other_nonce(lab: Lab) -> None:
    lab.sign_in("spa", "bruno", edit_authorization=with_(nonce="a-nonce-from-yesterday"))


@scenario("binding-and-user", "user/denied", AUTHORIZE, "portal")
def consent_is_refused(lab: Lab) -> None:
    lab.browser().decision = "deny"
    lab.sign_in("portal", edit_authorization=with_(prompt="consent"))


@scenario("binding-and-user", "user/interaction-required", AUTHORIZE, "portal")
def silent_sign_in_without_a_session(lab: Lab) -> None:
    lab.sign_in("portal", "dora", edit_authorization=with_(prompt="none"))


# what scenarios share


def fetch(lab: Lab, name: str, **changes: Any) -> None:
    """A background job asks for a token."""
    backend = lab.backend(name, **changes)
    backend.attempt(backend.fetch)


@contextmanager
def lifetimes(lab: Lab, client_id: str, **seconds: int) -> Any:
    """Meanwhile the provider gives a client's tokens another life."""
    client = lab.provider.store.clients[client_id]
    before = {name: getattr(client, name) for name in seconds}
    client.__dict__.update(seconds)
    yield
    client.__dict__.update(before)


def unavailable() -> Response:
    return Response('{"error": "temporarily_unavailable"}', 503, content_type="application/json")


def crash() -> Response:
    raise RuntimeError("connection pool exhausted")


def without_token_type(response: Response) -> Response:
    return edited(response, lambda answer: answer.pop("token_type"))


def lifetime_as_word(response: Response) -> Response:
    return edited(response, lambda answer: answer.update(expires_in="hour"))


def edited(response: Response, edit: Callable[[dict[str, Any]], Any]) -> Response:
    """A token answer with something changed; other answers as they are."""
    answer = json.loads(response.get_data()) if response.is_json else {}
    if "access_token" in answer:
        edit(answer)
        response.set_data(json.dumps(answer))
    return response
