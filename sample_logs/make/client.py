"""The client side: a scripted browser and a relying party that logs what its OAuth library throws at it."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oauth2.rfc6749.errors import MissingTokenTypeException
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from flask import Flask, Response, redirect, request
from requests.adapters import HTTPAdapter
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as AnyResponse

from .authorization_server import API, ISSUER, PASSWORD, page

log = logging.getLogger("portal.oauth")

Parameters = dict[str, Any]
NEVER_EXPIRED = -(10**6)  # the leeway of a client that finds out at the API


@dataclass(frozen=True)
class App:
    """How one relying party is set up, rightly or wrongly."""

    name: str
    client_id: str
    secret: Any = None
    auth_method: str = "client_secret_basic"
    redirect_uri: str = ""
    scope: str = "openid profile email offline_access orders:read"
    issuer: str = ISSUER
    authorization_endpoint: str = f"{ISSUER}/oauth/authorize"
    token_endpoint: str = f"{ISSUER}/oauth/token"
    assertion: PrivateKeyJWT | None = None
    calls: str = f"{API}/v1/orders"
    address: str = "127.0.0.10"
    timeout: float = 10
    edit_authorization: Callable[[Parameters], Parameters] = lambda parameters: parameters
    edit_redemption: Callable[[Parameters], Parameters] = lambda parameters: parameters

    @property
    def home(self) -> str:
        """The URL of the application."""
        return f"https://{self.name}.acme.test"


@dataclass(frozen=True)
class Network:
    """The way out: an HTTP proxy and the certificate authority to trust."""

    proxy: str
    authority: Path

    def equip(self, session: requests.Session, address: str, agent: str) -> None:
        """Makes a session use this network, from the given loopback address."""
        session.trust_env = False
        session.proxies = {"http": self.proxy, "https": self.proxy}
        session.verify = str(self.authority)
        session.headers["User-Agent"] = agent
        for scheme in ("http://", "https://"):
            session.mount(scheme, FromAddress(address))


class FromAddress(HTTPAdapter):
    """Connects from one of the loopback interface's many addresses, so that clients can be told apart."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, source_address=(self.address, 0), **options)


class Browser:
    """A person's browser: keeps cookies, follows redirects, signs in and answers the consent page."""

    AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

    def __init__(self, network: Network, user: str, address: str) -> None:
        self.user = user
        self.address = address
        self.decision = "allow"
        self.session = requests.Session()
        network.equip(self.session, address, self.AGENT)

    def get(self, url: str, **options: Any) -> requests.Response:
        """Opens a page and fills the provider's forms."""
        return self.fill(self.session.get(url, **options))

    def fill(self, shown: requests.Response) -> requests.Response:
        if 'name="username"' in shown.text:
            return self.fill(self.session.post(shown.url, data={"username": self.user, "password": PASSWORD}))
        if 'name="decision"' in shown.text:
            return self.session.post(shown.url, data={"decision": self.decision})
        return shown

    def forget(self, host: str) -> None:
        """Loses the cookies of one host."""
        self.session.cookies.clear(domain=host)

    def callback(self, url: str) -> str:
        """Goes as far as the provider's redirect to the application; returns where it points without going there."""
        shown = self.session.get(url, allow_redirects=False)
        while (target := shown.headers["Location"]).startswith(("/", ISSUER)):
            shown = self.session.get(requests.compat.urljoin(shown.url, target), allow_redirects=False)
            if 'name="username"' in shown.text:
                credentials = {"username": self.user, "password": PASSWORD}
                shown = self.session.post(shown.url, data=credentials, allow_redirects=False)
        return target


class Backend:
    """The server side of an application: redeems codes, refreshes tokens and calls the API."""

    def __init__(self, network: Network, app: App) -> None:
        self.app = app
        self.session = OAuth2Session(
            app.client_id,
            app.secret,
            token_endpoint_auth_method=app.auth_method,
            revocation_endpoint_auth_method=app.auth_method,
            scope=app.scope,
            redirect_uri=app.redirect_uri,
            code_challenge_method="S256",
            leeway=NEVER_EXPIRED,
            default_timeout=app.timeout,
        )
        if app.assertion:
            self.session.register_client_auth_method(app.assertion)
        network.equip(self.session, app.address, "acme-portal/4.2 python-requests/2.32")

    def fetch(self, **parameters: Any) -> Parameters:
        """Asks the token endpoint for a token."""
        token = self.session.fetch_token(self.app.token_endpoint, **parameters)
        if "token_type" not in token:
            raise MissingTokenTypeException()
        log.info("token issued to client %s, expires in %s s", self.app.client_id, token.get("expires_in"))
        return token

    def refresh(self, refresh_token: str | None = None) -> None:
        """Renews the access token."""
        self.session.refresh_token(self.app.token_endpoint, refresh_token=refresh_token, scope=None)
        log.info("token of client %s refreshed", self.app.client_id)

    def revoke(self) -> None:
        """Signs out: gives the tokens back."""
        self.session.revoke_token(f"{ISSUER}/oauth/revoke", self.session.token["refresh_token"])

    def call(self, method: str = "GET", url: str | None = None) -> requests.Response:
        """Calls the API."""
        answer = self.session.request(method, url or self.app.calls)
        if not answer.ok:
            log.error(
                "%s %s answered %s to client %s, WWW-Authenticate: %s",
                method,
                answer.url,
                answer.status_code,
                self.app.client_id,
                answer.headers.get("WWW-Authenticate"),
            )
        return answer

    def call_or_refresh(self) -> None:
        """Calls the API, and once more with a new token if the old one is no longer accepted."""
        if self.call().status_code == 401:
            self.refresh()
            self.call()

    def attempt(self, step: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Runs one step as a background job does: a failure is logged, not raised."""
        try:
            return step(*arguments, **options)
        except Exception:
            log.exception("%s failed for client %s at %s", step.__name__, self.app.client_id, self.app.token_endpoint)


@dataclass
class Visit:
    """One browser's session with an application."""

    backend: Backend
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))


class RelyingParty:
    """The applications, one per host name, in one Flask application."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.apps: dict[tuple[str, str], App] = {}
        self.visits: dict[str, Visit] = {}
        self.last: dict[str, Visit] = {}  # by the visitor's address
        self.app = Flask("portal")
        self.app.wsgi_app = ProxyFix(self.app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
        self.app.add_url_rule("/sign-in", view_func=self.sign_in)
        self.app.add_url_rule("/<path:_>", view_func=self.callback)

    def deploy(self, app: App, visitor: str) -> None:
        """Sets up an application for the visitor at one address."""
        self.apps[(app.home, visitor)] = app

    @cached_property
    def keys(self) -> Any:
        """The provider's keys, fetched once."""
        session = requests.Session()
        self.network.equip(session, "127.0.0.10", "acme-portal/4.2 python-requests/2.32")
        endpoint = session.get(f"{ISSUER}/.well-known/openid-configuration").json()["jwks_uri"]
        return JsonWebKey.import_key_set(session.get(endpoint).json())

    def sign_in(self) -> AnyResponse:
        """Sends the browser to the provider."""
        app = self.apps[(request.host_url.rstrip("/"), request.remote_addr or "")]
        visit = self.last[request.remote_addr or ""] = Visit(Backend(self.network, app))
        ticket = secrets.token_urlsafe(12)
        self.visits[ticket] = visit
        parameters = {
            "state": visit.state,
            "nonce": visit.nonce,
            "code_verifier": visit.verifier,
            "redirect_uri": app.redirect_uri,
        }
        url, _ = visit.backend.session.create_authorization_url(
            app.authorization_endpoint, **app.edit_authorization(parameters)
        )
        log.info("sign-in started for client %s", app.client_id)
        response = redirect(url)
        response.set_cookie("sid", ticket, secure=True, httponly=True)
        return response

    def callback(self, _: str) -> Response:
        """Takes what the provider sent back."""
        if "code" not in request.args and "error" not in request.args:
            return page("Not found", "", 404)
        visit = self.visits.get(request.cookies.get("sid", ""))
        client_id = visit.backend.app.client_id if visit else "unknown"
        try:
            self.finish(visit)
        except OAuthError as error:
            log.exception("callback %s failed for client %s", request.base_url, client_id)
            return page("Sign-in failed", f"<p>{error.error}</p>", 400)
        except Exception as error:
            log.exception("callback %s failed for client %s", request.base_url, client_id)
            return page("Sign-in failed", f"<p>{type(error).__name__}: {error}</p>", 500)
        return page("Welcome", "<p>You are signed in.</p>")

    def finish(self, visit: Visit | None) -> None:
        """Redeems the code, checks the ID token and fetches what the page shows."""
        if "error" in request.args:
            raise OAuthError(request.args["error"], request.args.get("error_description"))
        if visit is None:
            raise OAuthError("mismatching_state", "CSRF Warning! State not equal in request and response.")
        app = visit.backend.app
        parameters = {"redirect_uri": app.redirect_uri, "code_verifier": visit.verifier, "code": request.args["code"]}
        if request.args.get("state") != visit.state:
            raise OAuthError("mismatching_state", "CSRF Warning! State not equal in request and response.")
        token = visit.backend.fetch(**app.edit_redemption(parameters))
        claims = jwt.decode(
            token["id_token"],
            self.keys,
            claims_options={
                "iss": {"essential": True, "value": app.issuer},
                "aud": {"essential": True, "value": app.client_id},
                "nonce": {"essential": True, "value": visit.nonce},
            },
        )
        claims.validate()
        visit.backend.call()


def slowly(seconds: float) -> Callable[[Parameters], Parameters]:
    """An edit that changes nothing but takes its time."""

    def wait(parameters: Parameters) -> Parameters:
        time.sleep(seconds)
        return parameters

    return wait


def with_(**changes: Any) -> Callable[[Parameters], Parameters]:
    """An edit that sets parameters; ``None`` leaves one out."""
    return lambda parameters: parameters | changes
