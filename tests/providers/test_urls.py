"""Endpoints, keys that belong to hosts, and headers built from nothing."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import __version__
from dragoman.catalog import KeyFamily, ProviderRow, load
from dragoman.errors import ConfigError
from dragoman.providers.urls import FORBIDDEN_HEADERS, build_headers, check_key, endpoint

MIMO = load().provider("xiaomi")
assert MIMO is not None
ROW = ProviderRow("acme", base_url="https://api.acme.example", key_env=("ACME_KEY",))


@pytest.mark.req(128, 133)
@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/", "/anthropic", "/anthropic/", "/anthropic/v1"])
@pytest.mark.parametrize(
    ("wire", "path"),
    [("chat", "/v1/chat/completions"), ("responses", "/v1/responses"), ("messages", "/anthropic/v1/messages")],
)
def test_no_segment_is_doubled(tail: str, wire: Any, path: str) -> None:
    for host in ("https://api.xiaomimimo.com", "http://127.0.0.1:9"):
        assert endpoint(MIMO, wire, host + tail) == host + path


@pytest.mark.req(133)
def test_a_vendors_own_path_gets_no_v1() -> None:
    zhipu = load().provider("zhipu")
    assert zhipu is not None
    assert endpoint(zhipu, "chat") == "https://api.z.ai/api/paas/v4/chat/completions"
    assert endpoint(zhipu, "chat", "https://api.z.ai/api/paas/v4/") == "https://api.z.ai/api/paas/v4/chat/completions"


@pytest.mark.req(133)
@pytest.mark.parametrize(
    "url",
    ["ftp://h", "api.acme.example", "https://", "https://h/?a=1", "https://h/#x", "https://u:p@h/", "https://h:x"],
)
def test_a_bad_base_url_is_refused_by_name(url: str) -> None:
    with pytest.raises(ConfigError, match=r"\[providers\.acme\] base_url") as error:
        endpoint(ROW, "chat", url)
    assert error.value.info.param == "base_url"


def test_a_full_url_wins_and_is_checked_too() -> None:
    row = ProviderRow("acme", urls={"chat": "https://h/x/y"})
    assert endpoint(row, "chat") == "https://h/x/y"
    with pytest.raises(ConfigError):
        endpoint(ProviderRow("acme", urls={"chat": "https://h/x?key=1"}), "chat")
    with pytest.raises(ConfigError, match="base_url"):
        endpoint(row, "messages")


@pytest.mark.req(132)
@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("tp-abc", "api.xiaomimimo.com"),
        ("sk-abc", "token-plan-cn.xiaomimimo.com"),
        ("sk-abc", "token-plan-sgp.xiaomimimo.com"),
        ("sk-abc", "token-plan-ams.xiaomimimo.com"),
    ],
)
def test_a_key_of_another_family_is_refused_with_the_remedy(key: str, host: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_key(MIMO, key, f"https://{host}/v1/chat/completions")
    message = error.value.message
    assert "base_url" in message and "MIMO_BASE_URL" in message and host in message
    assert "abc" not in message
    assert ("token-plan-cn" in message) if key.startswith("tp-") else ("https://api.xiaomimimo.com" in message)


@pytest.mark.req(132)
@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("tp-abc", "token-plan-sgp.xiaomimimo.com"),
        ("sk-abc", "api.xiaomimimo.com"),
        ("ttp-abc", "api.xiaomimimo.com"),
        ("whatever", "token-plan-cn.xiaomimimo.com"),
        ("tp-abc", "127.0.0.1"),
        ("tp-abc", "proxy.example"),
        ("tp-abc", "api.xiaomimimo.com.evil.example"),
    ],
)
def test_other_keys_and_other_hosts_are_not_judged(key: str, host: str) -> None:
    check_key(MIMO, key, f"https://{host}/v1/chat/completions")


@pytest.mark.req(69, 128)
@pytest.mark.parametrize(
    ("style", "name", "value"),
    [("bearer", "authorization", "Bearer K"), ("api-key", "api-key", "K"), ("x-api-key", "x-api-key", "K")],
)
@pytest.mark.parametrize("wire", ["chat", "messages"])
def test_exactly_one_header_carries_the_key(style: Any, name: str, value: str, wire: Any) -> None:
    headers = build_headers(ProviderRow("acme", auth=style), wire, "K", stream=True)
    carriers = {k: v for k, v in headers.items() if "K" in v}
    assert carriers == {name: value}
    assert not {"authorization", "api-key", "x-api-key"} - {name} & set(headers)
    assert headers["content-type"] == "application/json"
    assert headers["accept"] == "text/event-stream"
    assert headers["user-agent"] == f"dragoman/{__version__}"
    assert ("anthropic-version" in headers) is (wire == "messages")


@pytest.mark.req(65)
@pytest.mark.parametrize("name", [*sorted(FORBIDDEN_HEADERS), "Authorization", "X-Api-Key", "bad name", "x\r\ny"])
def test_headers_that_authenticate_or_belong_to_one_hop_can_be_set_by_nobody(name: str) -> None:
    with pytest.raises(ConfigError):
        build_headers(ProviderRow("acme", headers={name: "v"}), "chat", "K", stream=False)
    with pytest.raises(ConfigError):
        build_headers(ROW, "chat", "K", stream=False, more={name: "v"})


@pytest.mark.req(102)
@pytest.mark.parametrize("key", ["a b", "k\n", "k\r\nx: y", "clé"])
def test_a_key_that_cannot_be_a_header_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigError) as error:
        build_headers(ROW, "chat", key, stream=False)
    assert key not in error.value.message


def test_a_missing_key_names_its_variable() -> None:
    with pytest.raises(ConfigError, match="ACME_KEY"):
        build_headers(ROW, "chat", None, stream=False)
    assert "authorization" not in build_headers(ProviderRow("local", keyless=True), "chat", None, stream=False)


def test_families_are_data() -> None:
    row = ProviderRow("acme", key_families=(KeyFamily("a-", ("a.example",)), KeyFamily("b-", ("b.example",))))
    check_key(row, "a-1", "https://a.example/v1")
    with pytest.raises(ConfigError):
        check_key(row, "a-1", "https://b.example/v1")
