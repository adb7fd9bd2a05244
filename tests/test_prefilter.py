"""The prefilter of big logs must let every line pass that the reader behind it would recognise."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

import polars as pl
import pytest
from conftest import KEY, SAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st
from test_oauth import PATHS as PRODUCTS

from oauthtrace.oauth.endpoints import CANDIDATE, PATH_IN_LINE, PATHS
from oauthtrace.oauth.observe import RawExchange, observe
from oauthtrace.oauth.parameters import OAUTH_NAMES
from oauthtrace.privacy import Redactor
from oauthtrace.sources.about import INTERESTING
from oauthtrace.sources.gateways import json_lines, nginx_combined

REDACTOR = Redactor(KEY)
PYTHON = re.compile(CANDIDATE, re.IGNORECASE)
URL_TEXT = "".join(map(chr, range(33, 127)))


def passes(line: str) -> bool:
    return pl.Series([line]).str.contains(f"(?i){CANDIDATE}")[0]


def nginx(method: str, target: str) -> str:
    return f'203.0.113.1 - - [04/May/2026:10:00:00 +0000] "{method} {target} HTTP/1.1" 400 0 "-" "agent"'


def as_json(method: str, target: str) -> str:
    return json.dumps({"time": "2026-05-04T10:00:00Z", "request_method": method, "request_uri": target, "status": 400})


def recognised(line: str) -> bool:
    raw = nginx_combined.raw_of(line)
    if isinstance(raw, str):
        data = json_lines.parse_line(line)
        raw = json_lines.raw_of(data) if data else "neither"
    return isinstance(raw, RawExchange) and observe(raw, REDACTOR) is not None


@pytest.mark.parametrize("name", ["nginx-access.log", "nginx-access.json.log"])
def test_every_exchange_of_the_samples_passes(name: str) -> None:
    lines = (SAMPLES / name).read_text().splitlines()
    found = [line for line in lines if recognised(line)]
    assert len(found) > 100
    assert [line for line in found if not passes(line)] == []


@pytest.mark.parametrize("path", PRODUCTS)
def test_every_products_path_passes(path: str) -> None:
    assert passes(nginx("POST", path))


@pytest.mark.parametrize(("step", "pattern"), PATHS, ids=[step for step, _ in PATHS])
def test_every_path_of_a_step_passes(step: str, pattern: str) -> None:
    @given(st.from_regex(re.compile(pattern, re.IGNORECASE), alphabet=URL_TEXT), st.sampled_from(["GET", "POST"]))
    def check(path: str, method: str) -> None:
        line = nginx(method, f"/{path.lstrip('/')}".replace('"', ""))
        assert PYTHON.search(line) or not recognised(line), f"{step}: {line}"

    check()


MANY = settings(max_examples=600)
QUERIES = st.dictionaries(st.sampled_from(sorted(OAUTH_NAMES)), st.text(URL_TEXT, max_size=12), min_size=1, max_size=4)


@given(
    QUERIES,
    st.sampled_from(["/", "/x", "/start", "/a/b"]),
    st.sampled_from(["GET", "POST", "OPTIONS"]),
    st.sampled_from([nginx, as_json]),
)
def test_every_recognised_query_passes(query: dict[str, str], path: str, method: str, write) -> None:
    line = write(method, f"{path}?{urlencode(query)}")
    assert PYTHON.search(line) or not recognised(line)


def test_polars_and_python_read_the_pattern_alike() -> None:
    lines = (SAMPLES / "nginx-access.log").read_text().splitlines() + [
        nginx("GET", t) for t in ("/", "/products", "/cart?a=1", "/AUTH/x")
    ]
    assert [passes(line) for line in lines] == [PYTHON.search(line) is not None for line in lines]


# --- lines that hold only a path ----------------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=8)
PLACES = st.one_of(
    st.sampled_from([*sorted(PRODUCTS), "/", "//a:b/token", "/help/sign-in", "/login", "*", "http://id.test/token"]),
    *(st.from_regex(re.compile(pattern, re.IGNORECASE), alphabet=URL_TEXT) for _, pattern in PATHS),
)
ENDINGS = st.one_of(st.sampled_from(["", "s", "/", "/x", ".html", "%20", ";v=1", "?", "#", "\x1c"]), ANY_TEXT)


@st.composite
def combined_lines(draw) -> str:
    """A line as nginx writes it, in which any part may be something else."""
    parts = ["203.0.113.1", " - ", "-", " [04/May/2026:10:00:00 +0000]", ' "', "GET", " ", draw(PLACES), draw(ENDINGS), " HTTP/1.1", '" ', "404", " 12", ' "-" "agent"']  # fmt: skip
    for place in draw(st.lists(st.integers(0, len(parts) - 1), max_size=1)):
        parts[place] = draw(st.one_of(ANY_TEXT, st.sampled_from(["", " ", "\x1c", "/authorize", "a:443 ", "-"])))
    return "".join(parts).replace("\n", "")


def passed_over(line: str) -> bool:
    both = pl.DataFrame({"line": [line]}).select(
        shape=pl.col("line").str.contains(nginx_combined.ONLY_PATH), tells=pl.col("line").str.contains(PATH_IN_LINE)
    )
    return both["shape"][0] and not both["tells"][0]


@MANY
@given(combined_lines())
def test_a_line_is_passed_over_only_if_it_can_be_read_and_is_not_oauths(line: str) -> None:
    if passed_over(line):
        raw = nginx_combined.raw_of(line)
        assert isinstance(raw, RawExchange), f"passed over, and would have been rejected: {raw}"
        assert observe(raw, REDACTOR) is None


@pytest.mark.parametrize("name", ["nginx-access.log", "nginx-access.json.log"])
def test_no_exchange_of_the_samples_is_passed_over(name: str) -> None:
    lines = (SAMPLES / name).read_text().splitlines()
    assert [line for line in lines if recognised(line) and passed_over(line)] == []


@pytest.mark.parametrize("path", ["/login", "/help/sign-in-problems", "/keys/24403/edit", "/api/v2/devices/52792"])
def test_a_path_that_is_no_endpoints_is_passed_over(path: str) -> None:
    assert passes(nginx("GET", path))
    assert passed_over(nginx("GET", path))


def test_the_prefilter_of_texts_lets_all_of_the_others_pass() -> None:
    assert CANDIDATE in INTERESTING


def test_ordinary_lines_do_not_pass() -> None:
    ordinary = [
        "/",
        "/products/12",
        "/static/css/site.css",
        "/api/v2/items/3",
        "/cart",
        "/images/a.png",
        "/search?q=garden",
    ]
    assert [t for t in ordinary if passes(nginx("GET", t))] == []
