"""THE schema: what is kept of one OAuth exchange, declared once.

An exchange is one request with what is known of its answer. An event of an identity provider or a log entry of a
library is an exchange too (step ``event``, or the step of the endpoint that it names). A null means "this vantage
point can't tell", never "absent": what was *seen and absent* is a word in ``facts``.

Everything downstream (store, correlation, diagnosis, report) reads these columns and no others. No column may hold a
secret; the columns that end in ``_fp`` hold keyed fingerprints (see :mod:`oauthtrace.privacy`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import polars as pl


class Column(NamedTuple):
    """One column: its name, its type, what it means (with unit and source), and whether a report may show it."""

    name: str
    dtype: Any
    meaning: str
    show: bool = True


STEPS = (
    "authorization",
    "redirection",
    "token",
    "par",
    "device-authorization",
    "introspection",
    "revocation",
    "userinfo",
    "jwks",
    "metadata",
    "registration",
    "end-session",
    "resource",
    "event",
)
"""The steps of the protocol that an exchange can belong to (RFC 6749, 7009, 7591, 7662, 8414, 8628, 9126, OIDC)."""

_WORDS = pl.List(pl.String)
_TIME = pl.Datetime("us")

COLUMNS: tuple[Column, ...] = (
    # --- where it was read -------------------------------------------------------------------------------------
    Column("id", pl.String, "16 hex digits; the same input gives the same id"),
    Column("source_file", pl.String, "file it was read from, as the user named it"),
    Column("source_format", pl.String, "format, carriers before it: `docker-json-file>nginx-combined`"),
    Column("source_position", pl.Int64, "0-based entry of a capture, 1-based line of a text file"),
    Column("sees", _WORDS, "what this record can show at all: query, headers, authorization, body, answer, location"),
    # --- when, who, where --------------------------------------------------------------------------------------
    Column("time", _TIME, "when the request began; UTC without zone, microseconds"),
    Column("duration_ms", pl.Float64, "from request to the end of the answer, milliseconds"),
    Column("server_time", _TIME, "the server's own clock: its Date header (RFC 9110 §6.6.1), UTC"),
    Column("client_address", pl.String, "address of the caller as this vantage point saw it"),
    Column("user_agent", pl.String, "User-Agent of the caller"),
    Column("user_fp", pl.String, "fingerprint of the user's name or id", show=False),
    Column("request_id", pl.String, "correlation id that the server or gateway gave"),
    Column("provider", pl.String, "id of the product or service that answers, a file of providers/"),
    # --- the request -------------------------------------------------------------------------------------------
    Column("step", pl.String, "one of STEPS"),
    Column("method", pl.String, "HTTP method"),
    Column("url", pl.String, "URL of the request, secrets replaced by fingerprints"),
    Column("scheme", pl.String, "http or https"),
    Column("host", pl.String, "host and port of the URL, lower case"),
    Column("path", pl.String, "path of the URL"),
    Column("content_type", pl.String, "media type of the request's body, without parameters"),
    Column("origin", pl.String, "Origin of a browser's cross-origin request"),
    Column("referer_host", pl.String, "host that the browser came from"),
    Column("grant_type", pl.String, "RFC 6749 §4, §6; RFC 8628; RFC 7523; RFC 8693"),
    Column("response_type", pl.String, "RFC 6749 §3.1.1"),
    Column("client_id", pl.String, "RFC 6749 §2.2"),
    Column("redirect_uri", pl.String, "as sent, after one form decoding (RFC 6749 §3.1.2)"),
    Column("scope", pl.String, "scope asked for (RFC 6749 §3.3)"),
    Column("audience", pl.String, "resource or audience asked for (RFC 8707)"),
    Column("prompt", pl.String, "OIDC Core §3.1.2.1"),
    Column(
        "auth_method", pl.String, "client authentication seen: none, client_secret_basic, client_secret_post, both, jwt"
    ),
    Column("code_challenge", pl.String, "RFC 7636 §4.2; a plain one is the verifier itself, hence its fingerprint"),
    Column("code_challenge_method", pl.String, "S256 or plain; null when not sent"),
    Column("verifier_s256", pl.String, "S256 of the code_verifier that was sent; the verifier itself is dropped"),
    Column(
        "s256_fp",
        pl.String,
        "fingerprint of verifier_s256 (to compare with a challenge sent without its method)",
        show=False,
    ),
    Column("verifier_length", pl.Int64, "length of the code_verifier, characters"),
    Column("secret_length", pl.Int64, "length of the client secret, characters"),
    Column("cookie_names", _WORDS, "names of the cookies sent"),
    Column("set_cookie_names", _WORDS, "names of the cookies set by the answer"),
    # --- fingerprints of what was sent -------------------------------------------------------------------------
    Column("state_fp", pl.String, "state sent or returned", show=False),
    Column("nonce_fp", pl.String, "nonce sent", show=False),
    Column("code_fp", pl.String, "authorization code presented"),
    Column("device_code_fp", pl.String, "device_code presented (RFC 8628 §3.4)"),
    Column("request_uri_fp", pl.String, "PAR request_uri presented (RFC 9126 §4)"),
    Column("refresh_token_fp", pl.String, "refresh token presented"),
    Column("token_fp", pl.String, "access token presented, or token to introspect or revoke"),
    Column("secret_fp", pl.String, "client secret presented"),
    Column("verifier_fp", pl.String, "code_verifier presented (to compare with a plain challenge)", show=False),
    Column("challenge_fp", pl.String, "code_challenge presented (to compare with a plain verifier)", show=False),
    Column("session_fp", pl.String, "session of the user at the server", show=False),
    # --- the JWT that was presented (bearer token, client assertion, or grant assertion) -------------------------
    Column("jwt_use", pl.String, "bearer, client_assertion, assertion or client_secret"),
    Column("jwt_alg", pl.String, "JOSE header alg"),
    Column("jwt_kid", pl.String, "JOSE header kid"),
    Column("jwt_iss", pl.String, "claim iss"),
    Column("jwt_sub_is_iss", pl.Boolean, "claim sub equals claim iss (RFC 7523 §3)"),
    Column("jwt_aud", pl.String, "claim aud, blank-separated"),
    Column("jwt_azp", pl.String, "claim azp, appid or client_id"),
    Column("jwt_scope", pl.String, "claim scope, scp or permissions, blank-separated"),
    Column("jwt_exp", pl.Float64, "claim exp, epoch seconds as written"),
    Column("jwt_iat", pl.Float64, "claim iat, epoch seconds as written"),
    Column("jwt_nbf", pl.Float64, "claim nbf, epoch seconds as written"),
    # --- the answer --------------------------------------------------------------------------------------------
    Column("status", pl.Int64, "HTTP status; null when no answer came"),
    Column("transport_error", pl.String, "why no answer came, as the client or proxy put it"),
    Column("answer_type", pl.String, "media type of the answer, without parameters"),
    Column("server_header", pl.String, "Server header of the answer"),
    Column("location", pl.String, "where the answer redirects to, secrets replaced by fingerprints"),
    Column("error", pl.String, "RFC 6749 §4.1.2.1 / §5.2 code, or the provider's own"),
    Column("error_code", pl.String, "the provider's finer code"),
    Column("error_description", pl.String, "the server's sentence, redacted"),
    Column("challenge", pl.String, "WWW-Authenticate, redacted (RFC 6750 §3)"),
    Column("demanded_scope", pl.String, "scope that the resource demands (RFC 6750 §3)"),
    Column("message", pl.String, "all text of the answer or entry that may tell why, redacted", show=False),
    Column("issued_code_fp", pl.String, "authorization code that the answer gave"),
    Column("issued_token_fp", pl.String, "access token that the answer gave"),
    Column("issued_refresh_fp", pl.String, "refresh token that the answer gave"),
    Column("issued_device_fp", pl.String, "device_code that the answer gave"),
    Column("issued_request_uri_fp", pl.String, "PAR request_uri that the answer gave"),
    Column("expires_in", pl.Float64, "lifetime of the issued token, seconds"),
    Column("refresh_expires_in", pl.Float64, "lifetime of the issued refresh token where the server tells it, seconds"),
    Column("granted_scope", pl.String, "scope that was granted"),
    Column("issued_iss", pl.String, "issuer: of the ID token, the metadata document or the redirect (RFC 9207)"),
    Column("issued_aud", pl.String, "claim aud of the issued access token when it is a JWT"),
    Column("issued_alg", pl.String, "alg of the issued ID token, else of the access token"),
    Column("issued_kid", pl.String, "kid of the issued ID token, else of the access token"),
    Column("issued_iat", pl.Float64, "claim iat of the issued token, epoch seconds"),
    Column("issued_nonce_fp", pl.String, "nonce in the issued ID token", show=False),
    Column("document", pl.String, "harmless members of a metadata or JWKS document, as JSON"),
    Column("facts", _WORDS, "what was noticed before values were dropped: see oauthtrace.oauth.facts"),
)

SCHEMA: dict[str, Any] = {column.name: column.dtype for column in COLUMNS}


def frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows of the schema as a frame; a column that a row does not have is null.

    Raises:
        polars.exceptions.PolarsError: a value is not of its column's type (a defect of the reader).
    """
    listed = list(rows)
    if not listed:
        return empty()
    try:
        return _frame(listed)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold and UTF-8 can't
        return _frame([{name: _encodable(value) for name, value in row.items()} for row in listed])


def _frame(rows: list[Mapping[str, Any]]) -> pl.DataFrame:
    present = set[str]().union(*rows)
    columns = [column for column in COLUMNS if column.name in present]
    values = zip(*([row.get(column.name) for column in columns] for row in rows), strict=True)
    series = [_series(column, list(of_all)) for column, of_all in zip(columns, values, strict=True)]
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in present]
    return pl.DataFrame(series).with_columns(absent).select(*SCHEMA)


def _series(column: Column, values: list[Any]) -> pl.Series:
    if not isinstance(column.dtype, pl.List):
        return pl.Series(column.name, values, column.dtype)
    places: dict[tuple[str, ...] | None, int] = {}  # a list of few words, the same in most rows: each is made once
    chosen = [places.setdefault(None if value is None else tuple(value), len(places)) for value in values]
    return pl.Series(column.name, list(places), column.dtype).gather(chosen)


def _encodable(value: Any) -> Any:
    if isinstance(value, list):
        return [_encodable(v) for v in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def empty() -> pl.DataFrame:
    """A frame of the schema without rows."""
    return pl.DataFrame(schema=SCHEMA)
