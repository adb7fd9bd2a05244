"""Starts and stops everything: the provider, the API, the applications, nginx before them, mitmdump before nginx."""

from __future__ import annotations

import itertools
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, KeySet
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from flask import Flask, Response
from werkzeug.serving import BaseWSGIServer, make_server

from . import resource_server
from .authorization_server import ISSUER, Client, Provider
from .certificates import write_certificates
from .client import App, Backend, Browser, Network, RelyingParty

HERE = Path(__file__).parent
HOSTS = [f"{name}.acme.test" for name in ("login", "api", "portal", "spa", "backoffice", "gateway")]
BILLING = "https://billing.acme.test"
SETTLEMENT_KEY = "settlement-2026"


class Lab:
    """All that runs while samples are made. A context manager."""

    def __init__(self, directory: Path, code_lifetime: float) -> None:
        self.directory = directory
        self.stack = ExitStack()
        self.addresses = (f"127.0.1.{number}" for number in itertools.count(1))
        self.browsers: dict[str, Browser] = {}
        self.ports = {name: free_port() for name in ("provider", "api", "portal", "http", "https", "proxy")}
        self.provider = Provider(registered_clients(), code_lifetime)
        self.network = Network(f"http://127.0.0.1:{self.ports['proxy']}", directory / "mitmproxy-ca-cert.pem")
        self.relying_party = RelyingParty(self.network)
        self.apps = {app.name: app for app in well_configured(self.provider.store.clients)}

    def __enter__(self) -> Self:
        api = resource_server.create_app(self.provider.key, self.is_active)
        with self.stack:
            self.stack.enter_context(serving(api, self.ports["api"]))
            self.stack.enter_context(serving(self.relying_party.app, self.ports["portal"]))
            self.provider_running = self.stack.enter_context(ExitStack())
            self.start_provider()
            self.start_nginx()
            self.start_mitmdump()
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def start_provider(self) -> None:
        self.provider_running.enter_context(serving(self.provider.app, self.ports["provider"]))

    def start_nginx(self) -> None:
        write_certificates(self.directory, HOSTS, expired="legacy.acme.test")
        settings = (HERE / "nginx.conf").read_text()
        settings = re.sub(r"@(\w+)@", lambda found: str(self.ports[found[1]]), settings)
        (self.directory / "nginx.conf").write_text(settings)
        command = ["nginx", "-p", str(self.directory), "-c", "nginx.conf", "-e", "nginx-error.log"]
        self.start(command, self.ports["https"])

    def start_mitmdump(self) -> None:
        options = {
            "confdir": self.directory,
            "connection_strategy": "lazy",
            "listen_host": "127.0.0.1",
            "listen_port": self.ports["proxy"],
            "ssl_verify_upstream_trusted_ca": self.directory / "authority.pem",
        }
        mitmdump = Path(sys.executable).with_name("mitmdump")
        command = [str(mitmdump), "--quiet", "-w", str(self.directory / "session.mitm"), "-s", str(HERE / "names.py")]
        for name, value in options.items():
            command += ["--set", f"{name}={value}"]
        self.start(command, self.ports["proxy"])

    def start(self, command: list[str], port: int) -> None:
        """Starts a program and waits until it listens."""
        environment = os.environ | {"ACME_HTTP": str(self.ports["http"]), "ACME_HTTPS": str(self.ports["https"])}
        with (self.directory / "programs.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.stack.callback(end, process)
        wait_for(port)

    # What scenarios use

    def app(self, name: str, **changes: Any) -> App:
        """An application as it should be, or with something changed."""
        return replace(self.apps[name], **changes)

    def backend(self, name: str, **changes: Any) -> Backend:
        """The server side of an application, with no token yet."""
        return Backend(self.network, self.app(name, **changes))

    def browser(self, user: str = "alice") -> Browser:
        """The user's browser, the same one each time."""
        if user not in self.browsers:
            self.browsers[user] = Browser(self.network, user, next(self.addresses))
        return self.browsers[user]

    def deploy(self, name: str, user: str = "alice", **changes: Any) -> tuple[Browser, App]:
        """Sets an application up for a user."""
        browser, app = self.browser(user), self.app(name, **changes)
        self.relying_party.deploy(app, browser.address)
        return browser, app

    def sign_in(self, name: str, user: str = "alice", **changes: Any) -> Backend:
        """A user signs in to an application; returns the application's server side."""
        browser, app = self.deploy(name, user, **changes)
        browser.get(f"{app.home}/sign-in")
        return self.relying_party.last[browser.address].backend

    def is_active(self, token: str) -> bool:
        """What the API asks the provider about a token."""
        client = self.provider.store.clients["orders-api"]
        with OAuth2Session(client.client_id, client.secret) as session:
            self.network.equip(session, "127.0.0.20", "orders-api/1.9")
            return session.introspect_token(f"{ISSUER}/oauth/introspect", token).json()["active"]

    @contextmanager
    def provider_down(self) -> Iterator[None]:
        """Meanwhile nobody listens behind nginx."""
        self.provider_running.close()
        yield
        self.start_provider()

    @contextmanager
    def failing(self, answer: Callable[..., Response | None]) -> Iterator[None]:
        """Meanwhile the provider answers token requests with this."""
        self.provider.before = lambda request: answer() if request.path == "/oauth/token" else None
        yield
        self.provider.before = lambda request: None

    @contextmanager
    def spoiling(self, change: Callable[[Response], Response]) -> Iterator[None]:
        """Meanwhile the provider's answers are changed so."""
        self.provider.after = change
        yield
        self.provider.after = lambda response: response

    def flaw(self, name: str) -> PrivateKeyJWT:
        """A way to sign client assertions wrongly."""
        return {
            "audience": PrivateKeyJWT("https://id.acme.test/oauth/token", headers={"kid": SETTLEMENT_KEY}),
            "kid": PrivateKeyJWT(f"{ISSUER}/oauth/token", headers={"kid": "settlement-2025"}),
        }[name]


def registered_clients() -> list[Client]:
    """The provider's clients. Their secrets are made up anew each time."""
    web = "openid profile email offline_access orders:read"
    machine = ("client_credentials",)
    key = JsonWebKey.generate_key("RSA", 2048, {"kid": SETTLEMENT_KEY}, is_private=True)
    settlement = Client("settlement", "private_key_jwt", "orders:read", grant_types=machine, jwks=KeySet([key]))
    return [
        Client("portal", "client_secret_basic", web, ("https://portal.acme.test/callback",)),
        Client("spa", "none", web + " orders:write", ("https://spa.acme.test/signed-in",)),
        Client(
            "backoffice",
            "client_secret_post",
            web,
            ("https://backoffice.acme.test/oauth/callback", "https://backoffice.acme.test/oauth/silent"),
        ),
        Client("reports", "client_secret_post", "reports:read", grant_types=machine),
        settlement,
        Client("billing-sync", "client_secret_basic", "orders:read", grant_types=machine, audience=BILLING),
        Client("orders-api", "client_secret_basic", ""),
    ]


def well_configured(clients: dict[str, Client]) -> list[App]:
    """The applications of the registered clients, each set up as it should be."""
    apps = []
    for client in clients.values():
        app = App(client.client_id, client.client_id, client.secret, client.auth_method, scope=client.scope)
        if client.redirect_uris:
            app = replace(app, redirect_uri=client.redirect_uris[0])
        if client.auth_method == "none":
            app = replace(app, secret=None)
        if client.jwks:
            signer = PrivateKeyJWT(app.token_endpoint, headers={"kid": SETTLEMENT_KEY})
            app = replace(app, secret=client.jwks.keys[0].as_pem(is_private=True), assertion=signer)
        if "reports:read" in client.scope:
            app = replace(app, calls="https://api.acme.test/v1/reports")
        apps.append(app)
    return apps


@contextmanager
def serving(app: Flask, port: int) -> Iterator[BaseWSGIServer]:
    """Runs a Flask application in a thread."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.logger.disabled = True
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def end(process: subprocess.Popen[bytes]) -> None:
    """Lets a program stop in an orderly way."""
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    """Waits until something listens on the port."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")
