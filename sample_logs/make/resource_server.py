"""An API that wants a bearer token with the right audience and scope, and answers as RFC 6750 says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from authlib.jose import JsonWebKey, jwt
from authlib.jose.errors import JoseError
from flask import Flask, Response, jsonify, request
from werkzeug.middleware.proxy_fix import ProxyFix

from .authorization_server import API, ISSUER

SCOPES = {
    ("GET", "orders"): "orders:read",
    ("POST", "orders"): "orders:write",
    ("GET", "payments"): "orders:read",
    ("GET", "reports"): "reports:read",
}
INTROSPECTED = {"payments"}  # too precious to trust a token that may have been revoked


def refuse(status: int, **problem: str) -> Response:
    """An answer that says what the token lacks."""
    parameters = "".join(f', {name}="{value}"' for name, value in problem.items())
    return Response(status=status, headers={"WWW-Authenticate": f'Bearer realm="orders"{parameters}'})


def create_app(key: JsonWebKey, is_active: Callable[[str], bool]) -> Flask:
    """The API. ``is_active`` asks the authorization server about a token (RFC 7662)."""
    app = Flask("api")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    wanted: dict[str, Any] = {
        "iss": {"essential": True, "value": ISSUER},
        "aud": {"essential": True, "value": API},
        "exp": {"essential": True},
    }

    @app.route("/v1/<resource>", methods=["GET", "POST"])
    def serve(resource: str) -> Response:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer":
            return refuse(401)
        try:
            claims = jwt.decode(token, key, claims_options=wanted)
            claims.validate()
        except (JoseError, ValueError):
            return refuse(401, error="invalid_token")
        if resource in INTROSPECTED and not is_active(token):
            return refuse(401, error="invalid_token")
        scope = SCOPES[(request.method, resource)]
        if scope not in claims.get("scope", "").split():
            return refuse(403, error="insufficient_scope", scope=scope)
        return jsonify({resource: [], "for": claims["sub"]})

    return app
