"""Lines of all kinds of logs: what speaks of OAuth, and what only uses a word of it for something else."""

from __future__ import annotations

import re

import polars as pl
import pytest
from conftest import analyse_text

from oauthtrace.sources.about import INTERESTING, about_oauth, tells_of_failure

FAILURES = """
ERROR state mismatch, login aborted
Error: State mismatch
The requested scope is invalid, unknown, or malformed
scope 'orders:write' is not allowed for this client
Forbidden: the token has insufficient scopes
Invalid issuer. Expected https://id.test/a got https://id.test/b
unknown client_id "web-app"
ERROR: client_id is required
ERROR Client secret is expired
No matching key found for kid abc123
Error: consent_required
/welcome?error=access_denied&state=x could not be handled
CSRF detected
unable to verify id_token signature
failed to verifyIdToken: expired
userinfo returned 500, error
Login failed: csrf token mismatch
Access to fetch at 'https://id.test/login' has been blocked by CORS policy
WARN consent missing for the sign-in of user 12
""".strip().splitlines()

OTHERS = """
[2026-03-04 10:11:12,123] WARN [Consumer clientId=consumer-orders-1, groupId=orders] Connection to node -1 could not be established
[2026-03-04 10:11:13,123] ERROR [Producer clientId=producer-1] Got error produce response on topic-partition a-0, retrying. Error: NOT_LEADER
1772619075: Client <unknown> disconnected: invalid client id.
curl: (60) SSL certificate problem: unable to get local issuer certificate
ERROR backup failed: x509: certificate signed by unknown authority while trying to verify certificate issuer "CN=ca"
[04/Mar/2026 10:11:12] WARNING [django.security.csrf:241] Forbidden (CSRF cookie not set.): /cart/add/
ERROR csrf token missing or incorrect for form /contact
SyntaxError: Unexpected token < in JSON at position 0
ERROR c.s.shop.CartController : cart state mismatch: expected version 3 but was 4
ERROR terraform: desired state mismatch, 3 resources differ
WARN c.s.shop.Consent : consent banner text missing for locale de
ERROR payment declined: customer must complete the authorization request at the bank
ERROR claims export failed: issuer column missing in CSV
ERROR stripe: card declined, client_secret=pi_123_secret_456
WARN: Invalid token provided for user Admin. IP=192.0.2.1
secd[276]: sync with device failure: Error Domain=com.apple.security Code=1035 "Account identity not set" UserInfo={NSDescription=x}
ReferenceError: total is not defined in this scope
GET /.well-known/acme-challenge/abc failed with 404 Not Found
E0304 10:11:12.1 1 controller.go:167] acme: authorization error for shop.test: 403 unauthorized: Invalid response from http://shop.test/.well-known/acme-challenge/abc
postfix/smtpd[12]: warning: unknown[192.0.2.3]: SASL LOGIN authentication failed: UGFzc3dvcmQ6
Access to fetch at 'https://api.shop.test/products' has been blocked by CORS policy
Failed password for invalid user admin from 192.0.2.3 port 22 ssh2
""".strip().splitlines()


@pytest.mark.parametrize("line", FAILURES)
def test_a_line_about_oauth_is_known(line: str) -> None:
    assert about_oauth(line)
    assert tells_of_failure(line)


@pytest.mark.parametrize("line", OTHERS)
def test_a_line_of_others_is_not_taken_for_oauths(line: str) -> None:
    assert not about_oauth(line)


@pytest.mark.parametrize("line", FAILURES)
def test_the_prefilter_lets_it_pass(line: str) -> None:
    assert pl.Series([line]).str.contains(INTERESTING)[0]
    assert re.search(INTERESTING, line)


def test_a_log_of_others_holds_no_exchange(tmp_path) -> None:
    (reading,) = analyse_text(tmp_path, "".join(f"{line}\n" for line in OTHERS), "others.log").inputs
    assert (reading.exchanges, reading.rejected) == (0, 0)


def test_a_status_before_the_request_is_its_status(tmp_path) -> None:
    line = 'INFO 2026-03-04T10:11:12 - [192.0.2.1:32894] 401 Unauthorized "POST /api/auth/token HTTP/1.1"\n'
    assert analyse_text(tmp_path, line, "app.log").exchanges["status"].to_list() == [401]
