"""Whether a line of a log speaks of OAuth, and whether of a failure: the words, by what they speak of.

Most lines of most logs do neither, and many use a word of OAuth's for something else: brokers have client ids, payments
authorization requests, certificates issuers. Words that OAuth alone has are enough; of the others it takes two, or one
beside a sign-in.
"""

from __future__ import annotations

import re

from oauthtrace.oauth.endpoints import CANDIDATE

WORDS = {
    "the protocol and its parts": (
        r"oauth|oidc|open ?id|pkce|dpop|grant[_ ]?type|redirect[_ ]?ur[il]|code[_ ]?(?:verifier|challenge|exchange)|device[_ ]code|polling state",
        r"authori[sz]ation[_ ]?(?:code|server|endpoint|grant)|\bauth(?:orization)?[ _-]?servers?\b|registration_endpoint|protected resource (?:metadata|\S+ does not match)|\b(?:state parameter|userinfo|token url)\b",
        r"login provider|identity ?provider|remote login|web ?identity|\b(?:single sign-?on|sso|social ?auth)\b|authorized party|\bazp\b",
    ),
    "tokens and their keys": (
        r"jwks?\b|jwt|bearer|(?:\b|_|get|verify|raw)id[_ ]?token|access[_ -]?token|refresh(?:ing)?[_ -]?(?:the )?(?:\w+ )?token|token[_ ](?:endpoint|exchange|request|response|refresh)|fetch(?:ing)? token",
        r"\btokens?\b.*(?:issuer|audience|signature|claims?\b|not for us)|(?:issuer|audience|signature|claims?\b).*\btokens?\b|audience validation",
        r"(?:for|with|matches|matching|the) [\"']?kid\b|\bkid ?[=:]|[\"']kid[\"']|signing key",
        r"(?:invalid|unexpected|unknown|untrusted|wrong) issuer\b|issuer (?:mismatch|does not|did not|is invalid|is not|not trusted)|issuer\b[\"' :=(]{0,4}https?:",
    ),
    "error codes": (
        r"invalid_(?:grant|client|scope|token|redirect_uri|request_uri)|unauthorized_(?:client|scope)|unsupported_(?:grant|response)_type|token_(?:revoked|expired)|code_expired|authorization_pending",
        r"\b(?:consent|interaction)_required|\binvalid_credentials\b|\baccess_denied\b|bad_verification_code|incorrect_client_credentials|AADSTS\d|AADB2C\d|\bIDX\d{5}\b",
    ),
    "clients, scopes, state": (
        r"client[_ -]?(?:assertion|credentials)\b|client[ _-]?secret\b.{0,3} (?:is|was|has|does|did|not|missing|invalid|mismatch|expired)|(?:invalid|unknown|missing|wrong|expired|bad) (?:client[ _-]?secret|client_id)\b",
        r"\bclient_id\b.{0,3} (?:\S+ )?(?:is|was|has|does|did|not|missing|invalid|mismatch|unknown|required)\b",
        r"missing_scope|insufficient_scope|(?:insufficient|lacks?|without)(?: \w+){0,3} scopes?\b|\b(?:invalid|missing|required|granted|requested)[ _]scopes?\b",
        r"\bscopes? (?:\S+ )?(?:is |are |was |were )?(?:not )?(?:invalid|insufficient|missing|granted|required|allowed)",
        r"(?:^|[^\w\s]\s*|\b(?:oauth2?|the|with|to|detected|error|failed) )state[ _-]?mismatch|mismatching_?state|invalidstate|\bstate\b.{0,3} (?:parameter|does not match)|csrf[ _]detected|\bsession state\b|\bchecks\.(?:state|nonce|code_verifier)\b|\bnonce mismatch\b",
        r"no secret[_ ]key was set|session[_ ]?secret",
    ),
    "libraries and products": (
        r"authlib|nimbus|\b(?:socialite|omniauth|passport-|next-?auth|keycloak|authentik|entra|adal|msal|cognito|okta|auth0)\b",
    ),
}  # fmt: skip
"""Words of OAuth's alone, by what they speak of."""
SURELY = re.compile("|".join(word for words in WORDS.values() for word in words), re.IGNORECASE)
MAYBE = re.compile(
    r"(?P<csrf>\bcsrf(?:[ _-]?tokens?)?\b)|(?P<client>client[_ -]?(?:id|secret)\b|client[ _-]?authentication\b|client registration)"
    r"|(?P<request>authori[sz]ation[_ ]request)|(?P<issuer>\bissuer\b)|(?P<state>\bstate[ _-]?mismatch)|(?P<consent>consent)"
    r"|(?P<cors>cors policy|access-control-allow)|(?P<key>\bkid\b)|(?P<security>security ?token)|(?P<place>\.well-known)",
    re.IGNORECASE,
)
"""Words that others have too, by kind."""
SIGN_IN = re.compile(
    r"\bauth(?:n|z|enticat\w*|ori[sz]\w*)?\b|log[ _-]?in\b|sign[ _-]?(?:in|on)\b|callback|\btokens?\b|\bidp\b|identity|credentials?\b",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(
    r"\boauth2client\b(?!\.client\b)|\b(?:lib|python3-|golang-|node-|ruby-|php-)[a-z0-9.+-]*[a-z0-9](?::\w+)?|local issuer|\bUserInfo=\{|\.well-known/(?:acme|apple|assetlinks|security|pki|change-password)\S*"
)
"""Names of packages, that say no more than which library is installed; what OpenSSL and Apple say of any failure; well-known places of others (RFC 8615)."""

FAILED = re.compile(
    r"\b(?:error|err|fatal|fata|crit(?:ical)?|severe|alert|emerg|panic|exception|traceback|fail(?:ed|ure|s|ing)?|denied|refused|rejected|invalid|unauthori[sz]ed|forbidden|mismatch|could ?n.t|cannot|unable|missing|expired|revoked|not (?:found|allowed|match|valid|supported|registered|active|configured|authori[sz]ed)|unsupported|timed? ?out|too big|denied|unknown|insufficient|replay|disabled|blocked|bad request|does not match|is required|no (?:matching|such|valid)|csrf)"
    r"|(?:Error|Exception|Failure|_ERROR|_error|[a-z](?:NotFound|Mismatch|Invalid|Expired|Missing|Denied))\b|\b(?:wrong|incorrect|unexpected|not for us|differ(?:s|ent)|does ?n[o']?t|bad token|untrusted|unverified|no longer)\b|\b(?:4\d\d|5\d\d) [A-Z][a-z]+|\berror=|\[(?:error|crit|warn)\]",
    re.IGNORECASE,
)
CALM = re.compile(
    r"^(?:\S+\s+){0,4}\[?(?:INFO|DEBUG|TRACE|NOTICE|I)\b|\blevel=\"?(?:info|debug|trace)|\"level\":\s*\"(?:info|debug|trace)",
    re.IGNORECASE,
)
SURELY_FAILED = re.compile(
    r"\b(?:fail(?:ed|ure)|exception|error(?:_description)?[\"']?\s*[:=]\s*[\"']?\w|denied|mismatch|invalid_\w+|unauthorized|expired token|rejected|does not match|csrf_detected|traceback)\b|\w(?:Error|Exception)\b|(?:->|status[=: ]+) ?[45]\d\d\b",
    re.IGNORECASE,
)
INTERESTING = rf"(?i){CANDIDATE}|{SURELY.pattern}|{MAYBE.pattern}|grant|nonce|upstream|\bscope|certificate|sign"
"""A superset of the lines that are read (Rust regex)."""


def about_oauth(text: str) -> bool:
    """Whether a text speaks of OAuth, and not of a client, a state or an issuer of something else."""
    text = _OF_OTHERS.sub(" ", text)
    if SURELY.search(text):
        return True
    kinds = {hit.lastgroup for hit in MAYBE.finditer(text)}
    return len(kinds) > 1 or (bool(kinds) and SIGN_IN.search(MAYBE.sub(" ", text)) is not None)


def tells_of_failure(text: str) -> bool:
    """Whether an entry says that something failed, and is not one that only informs."""
    return bool(FAILED.search(text)) and not (CALM.search(text) and not SURELY_FAILED.search(text))
