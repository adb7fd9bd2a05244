"""Messages are read by concept: whatever the words of a server or library, subject and predicate are told.

The sentences here are made up in the manner of many servers and libraries; none of them is listed anywhere in the code.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauthtrace.oauth.messages import expected_and_got, mask, normalise, read, vocabulary

SAYS = {
    # what stands around the words: brackets, quotes, markup, wrapped errors, names of products
    "Jwt header [alg] is not supported": "algorithm unsupported",
    "DPoP proof is missing": "dpop missing",
    "invalid_claim: Invalid claim 'nonce'": "nonce wrong",
    'HttpError: <HttpError 403 "Request had insufficient authentication scopes.">': "credentials insufficient",
    "stored credential 7: refresh_token=None expires_in=3600": "refresh_token missing",
    "token expired and there's no refresh token": "refresh_token missing",
    "Unexpected token < in JSON at position 0": "phrase html_for_json",
    "invalid character '<' looking for beginning of value": "phrase html_for_json",
    "Invalid or expired token": "token wrong",
    "The requested scope is invalid, unknown, or malformed": "scope wrong",
    "The administrator has not consented to use the application": "phrase consent_missing",
    "JWT not active yet": "token future",
    'content-type was "text/plain", expected "application/json"': "content_type mismatch",
    "redirect_uri did not match URI from initial request": "phrase initial_request",
    "unable to find valid certification path to requested target": "endpoint untrusted",
    "The requested redirect_uri is missing in the client configuration": "redirect_uri unknown",
    "OIDC client authentication rejected": "client_credentials wrong",
    # redirect URI
    "The redirect_uri in the request does not match any of the registered ones": "redirect_uri mismatch",
    "redirect_uri_mismatch": "redirect_uri mismatch",
    "RedirectUriMismatch": "redirect_uri mismatch",
    "Callback URL mismatch. https://x.test/cb is not in the list of allowed callback URLs": "redirect_uri mismatch",
    "Reply address differs from the ones configured for the application": "redirect_uri mismatch",
    "Unregistered redirect URI": "redirect_uri unknown",
    "The callback URL is not registered for this client": "redirect_uri unknown",
    "Missing parameter: redirect_uri": "redirect_uri missing",
    "redirect_uri is required": "redirect_uri missing",
    "No redirect_uri supplied": "redirect_uri missing",
    "Invalid redirect URI": "redirect_uri wrong",
    # client
    "Client not found": "client unknown",
    "Unknown client: web-app": "client unknown",
    "No client with id 'web-app' exists in this realm": "client unknown",
    "ClientId does not exist": "client_id unknown",
    "The OAuth client was deleted": "client disabled",
    "Application is disabled": "client disabled",
    "Client authentication failed": "client_credentials wrong",
    "Invalid client credentials": "client_credentials wrong",
    "Bad client secret": "client_secret wrong",
    "client_secret is incorrect": "client_secret wrong",
    "The provided client secret is expired": "client_secret expired",
    "Client secret has been revoked": "client_secret revoked",
    "client_secret must be supplied": "client_secret missing",
    "The request contains no client credentials": "client_credentials missing",
    "This client may not use the authorization code grant": "grant_type not_allowed",
    # code and refresh token
    "Authorization code expired": "code expired",
    "The code has expired or is too old": "code expired",
    "Authorization code has already been used": "code used",
    "code already redeemed": "code used",
    "CodeAlreadyUsed": "code used",
    "Authorization code not found": "code unknown",
    "No such authorization code": "code unknown",
    "Authorization code is malformed": "code malformed",
    "The refresh token is expired": "refresh_token expired",
    "Refresh token has been revoked by the user": "refresh_token revoked",
    "refresh_token was already used; the whole family is revoked": "refresh_token used",
    "Refresh token reuse detected": "refresh_token used",
    "Unknown refresh token": "refresh_token unknown",
    "Invalid refresh token": "refresh_token wrong",
    "Refresh token not provided": "refresh_token missing",
    # PKCE, state, nonce
    "PKCE verification failed": "challenge wrong",
    "code_verifier does not match code_challenge": "verifier mismatch",
    "Code verifier is missing": "verifier missing",
    "Missing code_challenge": "challenge missing",
    "State mismatch": "state mismatch",
    "state parameter does not match": "state mismatch",
    "Missing state": "state missing",
    "Nonce does not match": "nonce mismatch",
    # scope, audience, grant
    "Requested scope is unknown": "scope unknown",
    "Invalid scope: admin": "scope wrong",
    "The scope 'admin' is not allowed for this client": "scope not_allowed",
    "Insufficient scope for this resource": "scope insufficient",
    "Token does not have the required scope": "scope insufficient",
    "Grant type not supported": "grant_type unsupported",
    "Unsupported response_type": "response_type unsupported",
    "grant_type is missing": "grant_type missing",
    "Audience mismatch: token was issued for another API": "audience mismatch",
    "Invalid audience": "audience wrong",
    # access token
    "The access token expired": "access_token expired",
    "Access token has been revoked": "access_token revoked",
    "Signature verification failed": "signature wrong",
    "invalid signature": "signature wrong",
    "jwt malformed": "token malformed",
    # user
    "User denied access": "user denied",
    "The resource owner denied the request": "user denied",
    "User account is locked": "user disabled",
    "Invalid username or password": "password wrong",
    # infrastructure
    "certificate has expired": "certificate untrusted",
    "x509: certificate signed by unknown authority": "certificate untrusted",
    "Too many requests": "rate too_many",
}
"""Sentence -> concept that it must be read as, among others."""

NOT_SAYS = {
    "Invalid or expired token": "token expired",
    "could not fetch token: 400 Bad Request": "connection unreachable",
    "JWT not active yet": "token revoked",
    "The provided authorization grant is invalid, expired, revoked, or was issued to another client": "grant wrong",
    "The authorization code is not expired": "code expired",
    "Refresh token was not used before": "refresh_token used",
    "Client secret is valid": "client_secret wrong",
    "redirect_uri matches the registered one": "redirect_uri mismatch",
    "The client is not disabled": "client disabled",
    "No scope was refused": "scope denied",
    "Signature verification succeeded": "signature wrong",
    "State is present": "state missing",
}
"""Negated and healthy sentences -> concept that they must not be read as."""

HEALTHY = (
    "User signed in", "Access token issued for client web-app", "Authorization code exchanged", "Refreshed the access token", "Discovery document fetched", "Loaded 3 signing keys",
    "Consent granted", "GET /oauth2/authorize 302", "Session created", "Redirecting to the identity provider", "Token is valid for 3600 seconds", "Listening on port 8080",
)  # fmt: skip
"""Sentences of a good day: nothing in them is wrong."""


@pytest.mark.parametrize(("sentence", "concept"), SAYS.items(), ids=SAYS.keys())
def test_a_sentence_is_read_as(sentence: str, concept: str) -> None:
    found = read(sentence)
    assert concept in found, f"read as {found}"


@pytest.mark.parametrize(("sentence", "concept"), NOT_SAYS.items(), ids=NOT_SAYS.keys())
def test_a_negated_sentence_is_not_read_as(sentence: str, concept: str) -> None:
    assert concept not in read(sentence)


@pytest.mark.parametrize("sentence", HEALTHY)
def test_a_healthy_sentence_says_nothing_wrong(sentence: str) -> None:
    assert [c for c in read(sentence) if not c.endswith(" named")] == []


@pytest.mark.parametrize(
    "sentence",
    [
        "The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client.",
        "The code is malformed, expired, used or was issued to another client",
    ],
)
def test_a_list_of_reasons_names_none(sentence: str) -> None:
    found = read(sentence)
    assert "reasons listed" in found
    assert not {
        "code expired",
        "code used",
        "refresh_token expired",
        "refresh_token revoked",
        "redirect_uri mismatch",
    } & set(found)


@given(st.text())
def test_no_text_makes_reading_fail_and_concepts_are_of_the_vocabulary(text: str) -> None:
    subjects, predicates = vocabulary()
    for concept in read(text):
        subject, _, predicate = concept.partition(" ")
        assert (
            concept == "reasons listed"
            or subject == "phrase"
            or (subject in (*subjects, "it") and predicate in (*predicates, "named"))
        )


@pytest.mark.parametrize(
    "subject",
    [
        "redirect_uri",
        "client",
        "client_secret",
        "code",
        "refresh_token",
        "access_token",
        "scope",
        "audience",
        "state",
        "nonce",
        "verifier",
        "grant_type",
        "user",
    ],
)
def test_the_vocabulary_has_the_protocols_subjects(subject: str) -> None:
    assert subject in vocabulary()[0]


def test_what_varies_is_masked() -> None:
    assert mask("user 5b0a2f6c-1b7e-4d56-8a43-0f4e12c9a001 at 1777888800 code:0011aabb") == mask(
        "user 6c1b2f6c-1b7e-4d56-8a43-0f4e12c9a002 at 1777888999 code:ffeeddcc"
    )
    assert "http" not in normalise("see https://id.test/help?x=1 for more")


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("expected https://a.test/cb got http://a.test/cb", ("https://a.test/cb", "http://a.test/cb")),
        ("expected: 'a', but received: 'b'", ("a", "b")),
        ('got "b", expected "a"', ("a", "b")),
        ("issuer https://b.test does not match https://a.test", ("https://a.test", "https://b.test")),
        ("expected a got a", None),
        ("nothing to compare", None),
    ],
)
def test_expected_and_got(text: str, pair: tuple[str, str] | None) -> None:
    assert expected_and_got(text) == pair
