"""A small but real OpenID provider: Authlib's authorization server in a Flask application.

It answers failures as tersely as large providers do: ``invalid_grant`` comes without a description.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.jose import JsonWebKey, KeySet, jwt
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidGrantError, InvalidScopeError
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Request, Response, jsonify, redirect, request, session
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as AnyResponse

ISSUER = "https://login.acme.test"
API = "https://api.acme.test"
SCOPES = ["openid", "profile", "email", "offline_access", "orders:read", "orders:write", "reports:read", "admin:all"]
AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
PASSWORD = "correct horse battery staple"  # every invented user's password


@dataclass
class Client(ClientMixin):
    """A registered client."""

    client_id: str
    auth_method: str
    scope: str
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    audience: str = API
    jwks: KeySet | None = None
    access_lifetime: int = 300
    refresh_lifetime: int = 3600
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        """The redirect URI of a request that names none: only when there is no choice."""
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(word for word in scope.split() if word in self.scope.split())

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret, self.secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.auth_method

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and "authorization_code" in self.grant_types

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grant_types


@dataclass
class Code(AuthorizationCodeMixin):
    """An authorization code that was handed out."""

    value: str
    client_id: str
    user: str
    scope: str
    redirect_uri: str | None
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    issued: float = field(default_factory=time.time)
    family: str = field(default_factory=lambda: uuid.uuid4().hex)
    used: bool = False

    def get_redirect_uri(self) -> str | None:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(self.issued)

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> list[str]:
        return ["pwd"]


@dataclass
class Token(TokenMixin):
    """An access token with its refresh token; ``family`` ties together all that grew from one code."""

    client: Client
    user: str | None
    scope: str
    access_token: str
    refresh_token: str | None
    family: str
    issued: float = field(default_factory=time.time)
    revoked: bool = False
    rotated: bool = False

    def check_client(self, client: Client) -> bool:
        return self.client is client

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return self.client.access_lifetime

    def is_expired(self) -> bool:
        return time.time() > self.issued + self.client.access_lifetime

    def is_revoked(self) -> bool:
        return self.revoked

    def get_user(self) -> str | None:
        return self.user

    def get_client(self) -> Client:
        return self.client

    def refreshable(self) -> bool:
        """Whether the refresh token may still be used."""
        alive = time.time() <= self.issued + self.client.refresh_lifetime
        return alive and not self.revoked and not self.rotated


class Store:
    """What the server remembers."""

    def __init__(self, clients: list[Client], code_lifetime: float) -> None:
        self.clients = {client.client_id: client for client in clients}
        self.code_lifetime = code_lifetime
        self.codes: dict[str, Code] = {}
        self.access_tokens: dict[str, Token] = {}
        self.refresh_tokens: dict[str, Token] = {}

    def add_token(self, token: Token) -> None:
        self.access_tokens[token.access_token] = token
        if token.refresh_token:
            self.refresh_tokens[token.refresh_token] = token

    def revoke_family(self, family: str) -> None:
        for token in self.access_tokens.values():
            token.revoked |= token.family == family

    def revoke_user(self, user: str) -> None:
        """What an administrator's "sign this user out everywhere" does."""
        for token in self.access_tokens.values():
            token.revoked |= token.user == user

    def token(self, value: str) -> Token | None:
        return self.access_tokens.get(value) or self.refresh_tokens.get(value)


class Server(AuthorizationServer):
    """Authlib's server; it keeps the reason of a refusal to itself."""

    TERSE = (InvalidGrantError, InvalidClientError, InvalidScopeError)

    def handle_error_response(self, request: Any, error: OAuth2Error) -> Response:
        if isinstance(error, self.TERSE):
            error.description = ""
        return super().handle_error_response(request, error)


class ChecksScope:
    """Refuses scopes that exist but are not this client's, instead of dropping them silently."""

    request: Any

    def validate_requested_scope(self) -> None:
        super().validate_requested_scope()  # type: ignore[misc]
        client, scope = self.request.client, self.request.payload.scope or ""
        if client and client.get_allowed_scope(scope) != " ".join(scope.split()):
            raise InvalidScopeError()


class CodeGrant(ChecksScope, grants.AuthorizationCodeGrant):
    """authorization_code; a code lives shortly, serves once, and its second use revokes what the first one gave."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def save_authorization_code(self, code: str, request: Any) -> None:
        asked = request.payload.data
        self.server.store.codes[code] = Code(
            value=code,
            client_id=request.client.client_id,
            user=request.user,
            scope=request.payload.scope or "",
            redirect_uri=request.payload.redirect_uri,
            nonce=asked.get("nonce"),
            code_challenge=asked.get("code_challenge"),
            code_challenge_method=asked.get("code_challenge_method"),
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found = self.server.store.codes.get(code)
        if not found or found.client_id != client.client_id:
            return None
        if found.used:
            self.server.store.revoke_family(found.family)
            return None
        return found if time.time() <= found.issued + self.server.store.code_lifetime else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        authorization_code.used = True

    def authenticate_user(self, authorization_code: Code) -> str:
        return authorization_code.user


class RefreshGrant(grants.RefreshTokenGrant):
    """refresh_token with rotation; a rotated token that comes again revokes its whole family."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        token = self.server.store.refresh_tokens.get(refresh_token)
        if token and token.rotated:
            self.server.store.revoke_family(token.family)
        return token if token and token.refreshable() else None

    def authenticate_user(self, refresh_token: Token) -> str | None:
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.rotated = True


class ClientCredentials(ChecksScope, grants.ClientCredentialsGrant):
    """client_credentials."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS


class IdToken(OpenIDCode):
    """Adds the ID token."""

    def __init__(self, key: JsonWebKey) -> None:
        super().__init__()
        self.key = key

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        return False

    def get_jwt_config(self, grant: Any, client: Client) -> dict[str, Any]:
        return {"key": self.key, "alg": "RS256", "iss": ISSUER, "exp": 300, "kid": self.key.thumbprint()}

    def generate_user_info(self, user: str, scope: str) -> UserInfo:
        return UserInfo(user_claims(user))


class Assertion(JWTBearerClientAssertion):
    """private_key_jwt; the key is chosen by its ``kid``."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self) -> None:
        super().__init__(f"{ISSUER}/oauth/token")
        self.seen: set[str] = set()

    def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
        fresh = jti not in self.seen
        self.seen.add(jti)
        return fresh

    def resolve_client_public_key(self, client: Client, headers: dict[str, Any]) -> JsonWebKey:
        keys = client.jwks or KeySet([])
        try:
            return keys.find_by_kid(headers.get("kid"))
        except ValueError as error:
            raise InvalidClientError("no such key") from error


class Introspection(IntrospectionEndpoint):
    """RFC 7662."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def check_permission(self, token: Token, client: Client, request: Any) -> bool:
        return True

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        return self.server.store.token(token_string)

    def introspect_token(self, token: Token) -> dict[str, Any]:
        return {"active": True, "client_id": token.client.client_id, "scope": token.scope, "sub": token.user}


class Revocation(RevocationEndpoint):
    """RFC 7009; revoking either token ends the whole family."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        return self.server.store.token(token_string)

    def revoke_token(self, token: Token, request: Any) -> None:
        self.server.store.revoke_family(token.family)


def user_claims(user: str) -> dict[str, str]:
    """What the server knows about a user."""
    return {"sub": str(uuid.uuid5(uuid.NAMESPACE_DNS, user)), "name": user.title(), "email": f"{user}@acme.test"}


def page(title: str, body: str, status: int = 200) -> Response:
    """An HTML page of the provider."""
    head = f'<!doctype html><html lang="en"><head><title>{title}</title></head>'
    html = f"{head}<body><h1>{title}</h1>{body}</body></html>"
    return Response(html, status=status, content_type="text/html; charset=utf-8")


LOGIN_FORM = (
    '<form method="post"><input name="username"><input name="password" type="password"><button>Sign in</button></form>'
)
CONSENT_FORM = (
    '<form method="post"><button name="decision" value="allow">Allow</button>'
    '<button name="decision" value="deny">Deny</button></form>'
)


class Provider:
    """The provider as a whole: its store, its key and its Flask application.

    ``before`` may answer a request in the server's place and ``after`` may spoil an answer: so do outages happen.
    """

    def __init__(self, clients: list[Client], code_lifetime: float) -> None:
        self.key = JsonWebKey.generate_key("RSA", 2048, is_private=True)
        self.store = Store(clients, code_lifetime)
        self.before: Callable[[Request], Response | None] = lambda request: None
        self.after: Callable[[Response], Response] = lambda response: response
        self.server = Server(query_client=self.store.clients.get, save_token=self.save_token)
        self.server.store = self.store
        self.server.scopes_supported = SCOPES
        self.server.register_token_generator("default", BearerTokenGenerator(self.sign, opaque, lifetime))
        self.server.register_client_auth_method("private_key_jwt", Assertion())
        self.server.register_grant(CodeGrant, [IdToken(self.key), CodeChallenge(required=True)])
        for grant in (RefreshGrant, ClientCredentials):
            self.server.register_grant(grant)
        for endpoint in (Introspection, Revocation):
            self.server.register_endpoint(endpoint)
        self.app = self.create_app()

    def sign(self, client: Client, grant_type: str, user: str | None, scope: str) -> str:
        """An access token as RFC 9068 wants it."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": client.audience,
            "sub": user_claims(user)["sub"] if user else client.client_id,
            "client_id": client.client_id,
            "scope": scope,
            "iat": now,
            "exp": now + client.access_lifetime,
            "jti": uuid.uuid4().hex,
        }
        header = {"alg": "RS256", "typ": "at+jwt", "kid": self.key.thumbprint()}
        return jwt.encode(header, claims, self.key).decode()

    def save_token(self, answer: dict[str, Any], request: Any) -> None:
        """Remembers the tokens of an answer."""
        parent = request.authorization_code or request.refresh_token
        if "refresh_token" in answer:
            answer["refresh_expires_in"] = request.client.refresh_lifetime
        self.store.add_token(
            Token(
                client=request.client,
                user=request.user,
                scope=answer.get("scope", ""),
                access_token=answer["access_token"],
                refresh_token=answer.get("refresh_token"),
                family=parent.family if parent else uuid.uuid4().hex,
            )
        )

    def create_app(self) -> Flask:
        app = Flask("provider")
        app.secret_key = secrets.token_bytes(32)
        app.config["SESSION_COOKIE_NAME"] = "acme_sso"
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
        app.before_request(lambda: self.before(request))
        app.after_request(lambda response: self.after(response))
        app.add_url_rule("/", view_func=self.home)
        app.add_url_rule("/.well-known/openid-configuration", view_func=self.metadata)
        app.add_url_rule("/oauth/jwks", view_func=self.jwks)
        app.add_url_rule("/login", view_func=self.login, methods=["GET", "POST"])
        app.add_url_rule("/oauth/authorize", view_func=self.authorize, methods=["GET", "POST"])
        app.add_url_rule("/oauth/token", view_func=self.token, methods=["POST"])
        app.add_url_rule("/oauth/introspect", view_func=self.introspect, methods=["POST"])
        app.add_url_rule("/oauth/revoke", view_func=self.revoke, methods=["POST"])
        app.add_url_rule("/oauth/userinfo", view_func=self.userinfo)
        return app

    def home(self) -> Response:
        return page("Acme ID", "<p>One account for everything Acme.</p>")

    def metadata(self) -> Response:
        endpoint = f"{ISSUER}/oauth"
        return jsonify(
            issuer=ISSUER,
            authorization_endpoint=f"{endpoint}/authorize",
            token_endpoint=f"{endpoint}/token",
            introspection_endpoint=f"{endpoint}/introspect",
            revocation_endpoint=f"{endpoint}/revoke",
            userinfo_endpoint=f"{endpoint}/userinfo",
            jwks_uri=f"{endpoint}/jwks",
            scopes_supported=SCOPES,
            response_types_supported=["code"],
            grant_types_supported=["authorization_code", "refresh_token", "client_credentials"],
            token_endpoint_auth_methods_supported=AUTH_METHODS,
            code_challenge_methods_supported=["S256"],
            id_token_signing_alg_values_supported=["RS256"],
            subject_types_supported=["public"],
        )

    def jwks(self) -> Response:
        return jsonify(keys=[self.key.as_dict(is_private=False, use="sig", alg="RS256", kid=self.key.thumbprint())])

    def login(self) -> AnyResponse:
        if request.method == "GET":
            return page("Sign in", LOGIN_FORM)
        if request.form["password"] != PASSWORD:
            return page("Sign in", "<p>Invalid username or password.</p>" + LOGIN_FORM)
        session["user"] = request.form["username"]
        return redirect(session.pop("next"))

    def authorize(self) -> AnyResponse:
        user = session.get("user")
        try:
            grant = self.server.get_consent_grant(end_user=user)
        except OAuth2Error as error:
            if error.redirect_uri:
                return self.server.handle_error_response(request, error)
            return page("Something went wrong", f"<p>{error.error}: {escape(error.description or '')}</p>", 400)
        if not user:
            session["next"] = request.url
            return redirect("/login")
        decision = request.form.get("decision")
        if request.args.get("prompt") == "consent" and not decision:
            return page("Allow access?", CONSENT_FORM)
        return self.server.create_authorization_response(grant=grant, grant_user=None if decision == "deny" else user)

    def token(self) -> Response:
        return self.server.create_token_response()

    def introspect(self) -> Response:
        return self.server.create_endpoint_response("introspection")

    def revoke(self) -> Response:
        return self.server.create_endpoint_response("revocation")

    def userinfo(self) -> Response:
        token = self.store.access_tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if not token or not token.user or token.revoked or token.is_expired():
            return Response(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return jsonify(user_claims(token.user))


def opaque(**_: Any) -> str:
    """A refresh token."""
    return secrets.token_urlsafe(32)


def lifetime(client: Client, grant_type: str) -> int:
    """How many seconds an access token of the client lives."""
    return client.access_lifetime
