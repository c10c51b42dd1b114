"""Base URLs as people write them."""

from __future__ import annotations

import itertools

import pytest

from dragoman.catalog import ProviderRow, host_matches, load
from dragoman.catalog.urls import endpoint_url
from dragoman.errors import ConfigError

KNOWN = load()
TAILS = {
    "xiaomi": ["", "/", "/v1", "/v1/", "/anthropic", "/anthropic/", "/anthropic/v1", "/v1/chat/completions"],
    "zhipu": ["", "/api/paas/v4", "/api/paas/v4/", "/api/anthropic", "/api/v1"],
    "deepseek": ["", "/", "/anthropic", "/anthropic/v1/"],
    "moonshot": ["", "/v1", "/anthropic", "/anthropic/v1"],
    "openrouter": ["", "/api", "/api/v1", "/api/v1/"],
    "anthropic": ["", "/v1", "/v1/messages"],
    "gemini": ["", "/v1beta", "/v1beta/openai", "/v1beta/openai/"],
}


@pytest.mark.req(133)
@pytest.mark.parametrize(("provider", "tail"), [(p, t) for p, tails in TAILS.items() for t in tails])
def test_every_way_to_write_a_base_url_gives_the_same_endpoints(provider: str, tail: str) -> None:
    row = KNOWN.providers[provider]
    for wire, path in row.paths.items():
        assert endpoint_url(f"https://proxy.example:8443{tail}", row.paths, wire) == f"https://proxy.example:8443{path}"


@pytest.mark.req(133)
@pytest.mark.parametrize("provider", KNOWN.providers)
def test_no_segment_is_ever_doubled(provider: str) -> None:
    row = KNOWN.providers[provider]
    for wire, url in itertools.product(row.wires, [row.base_url, row.base_url + "/", row.endpoint(row.wire)]):
        segments = endpoint_url(url, row.paths, wire).split("/")[3:]
        assert all(a != b for a, b in itertools.pairwise(segments))
        assert "" not in segments


@pytest.mark.req(133)
@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.z.ai/api/coding/paas/v4", "https://api.z.ai/api/coding/paas/v4/chat/completions"),
        ("https://open.bigmodel.cn/api/paas/v4/", "https://open.bigmodel.cn/api/paas/v4/chat/completions"),
        ("https://api.z.ai", "https://api.z.ai/api/paas/v4/chat/completions"),
    ],
)
def test_zhipu_gets_no_v1(base: str, url: str) -> None:
    assert endpoint_url(base, KNOWN.providers["zhipu"].paths, "chat") == url


@pytest.mark.req(133)
@pytest.mark.parametrize(
    ("provider", "base", "wire", "url"),
    [
        ("deepseek", "https://api.deepseek.com/v1", "chat", "https://api.deepseek.com/v1/chat/completions"),
        ("deepseek", "https://api.deepseek.com/v1", "messages", "https://api.deepseek.com/anthropic/v1/messages"),
        ("deepseek", "https://p.example/ds/v1/", "messages", "https://p.example/ds/anthropic/v1/messages"),
        ("deepseek", "https://api.deepseek.com/beta", "chat", "https://api.deepseek.com/beta/chat/completions"),
        ("zhipu", "https://api.z.ai/api/coding/paas/v4", "messages", "https://api.z.ai/api/anthropic/v1/messages"),
        ("zhipu", "https://api.z.ai/api/coding/paas/v4", "responses", "https://api.z.ai/api/v1/responses"),
        ("zhipu", "https://p.example/z/api/coding/paas/v4", "messages", "https://p.example/z/api/anthropic/v1/messages"),
    ],
)  # fmt: skip
def test_a_base_that_is_one_wires_own_serves_the_others_too(provider: str, base: str, wire: str, url: str) -> None:
    assert endpoint_url(base, KNOWN.providers[provider].paths, wire) == url


@pytest.mark.parametrize(
    ("base", "wire", "url"),
    [
        ("http://127.0.0.1:8000", "chat", "http://127.0.0.1:8000/v1/chat/completions"),
        ("http://127.0.0.1:8000/v1/", "chat", "http://127.0.0.1:8000/v1/chat/completions"),
        ("http://[::1]:8000/v1", "messages", "http://[::1]:8000/v1/messages"),
        ("https://x.example/team/openai", "responses", "https://x.example/team/openai/v1/responses"),
        ("https://x.example/api/v3", "chat", "https://x.example/api/v3/chat/completions"),
    ],
)
def test_a_compatible_server(base: str, wire: str, url: str) -> None:
    assert endpoint_url(base, {}, wire) == url


@pytest.mark.req(133)
@pytest.mark.parametrize(
    "base",
    ["", "api.example.com/v1", "ftp://x.example", "https://", "https://x.example/?a=b", "https://x.example/#f",
     "https://user:pw@x.example", "https://x.example:99999", "https://[::1"],
)  # fmt: skip
def test_what_cannot_be_a_base_url_is_refused(base: str) -> None:
    with pytest.raises(ConfigError) as error:
        endpoint_url(base, {}, "chat")
    assert "pw" not in error.value.message


def test_a_full_url_wins() -> None:
    row = ProviderRow(id="x", base_url="https://a.example", urls={"chat": "https://b.example/odd"})
    assert row.endpoint("chat") == "https://b.example/odd"
    assert row.host("chat") == "b.example"


@pytest.mark.req(58)
@pytest.mark.parametrize(
    ("host", "same"),
    [
        ("minimax.io", True),
        ("api.minimax.io", True),
        ("API.MiniMax.IO", True),
        ("notminimax.io", False),
        ("minimax.io.evil.example", False),
        ("minimax.iox", False),
        ("", False),
    ],
)
def test_hosts_match_whole_or_as_subdomains(host: str, same: bool) -> None:
    assert host_matches(host, ["minimax.io"]) is same
