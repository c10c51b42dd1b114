"""Providers of the person's own: what a host suggests and what an explicit word changes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dragoman.catalog import Catalogue, ProviderRow, resolve
from dragoman.catalog import load as shipped
from dragoman.config import Settings, load
from dragoman.core.profile import Profile
from dragoman.errors import ConfigError

KNOWN: Catalogue = shipped()


def settings_of(tmp_path: Path, text: str, **env: str) -> Settings:
    file = tmp_path / "my.toml"
    file.write_text(text)
    return load(file, {"HOME": str(tmp_path / "home"), **env})


def row_of(tmp_path: Path, text: str, name: str = "mine") -> ProviderRow:
    row = settings_of(tmp_path, text).provider(name)
    assert row is not None
    return row


@pytest.mark.req(1)
@pytest.mark.parametrize("name", ["mine", "my-server", "my.server", "Über"])
def test_an_unknown_name_becomes_a_custom_provider(tmp_path: Path, name: str) -> None:
    settings = settings_of(tmp_path, f'[providers."{name}"]\nbase_url = "http://127.0.0.1:1"')
    row = settings.provider(name)
    assert row is not None
    assert (row.id, row.custom, row.profile) == (name, True, Profile())
    assert resolve(f"{name}:any", settings.catalogue()).name == f"{name}:any"
    assert settings.account(name).key is None


@pytest.mark.req(58)
@pytest.mark.parametrize(
    ("host", "vendor"),
    [
        ("api.minimax.io", "minimax"),
        ("eu.api.minimax.io", "minimax"),
        ("api.minimaxi.com", "minimax-cn"),
        ("token-plan-cn.xiaomimimo.com", "xiaomi"),
        ("api.moonshot.cn", "moonshot"),
        ("api.minimax.io.evil.example", None),
        ("fakeminimax.io", None),
        ("127.0.0.1", None),
    ],
)
def test_the_host_suggests_the_profile(tmp_path: Path, host: str, vendor: str | None) -> None:
    row = row_of(tmp_path, f'[providers.mine]\nbase_url = "https://{host}/v1"\napi_key = "k-1234"')
    expected = KNOWN.providers[vendor].profile if vendor else Profile()
    assert row.profile == expected
    assert row.endpoint("chat").startswith(f"https://{host}/v1/chat")


@pytest.mark.req(58)
def test_explicit_flags_win_over_the_suggestion_one_by_one(tmp_path: Path) -> None:
    row = row_of(
        tmp_path,
        '[providers.mine]\nbase_url = "https://api.minimax.io"\n[providers.mine.profile]\nmax_tools = 3\nstream_usage = false',
    )
    vendor = KNOWN.providers["minimax"].profile
    assert (row.profile.max_tools, row.profile.stream_usage) == (3, False)
    assert (row.profile.temperature, row.profile.reasoning_field) == (vendor.temperature, vendor.reasoning_field)
    assert (row.auth, row.wire) == ("bearer", "chat")
    said = '[providers.mine]\nbase_url = "https://api.minimax.io"\nauth = "api-key"\nwire = "messages"\nthinking_default = "off"'
    row = row_of(tmp_path, said + '\nforeign_reasoning = "text"\nnative = ["messages"]')
    assert (row.auth, row.wire, row.native) == ("api-key", "messages", ("messages",))
    assert (row.thinking_default, row.foreign_reasoning, row.profile) == ("off", "text", vendor)


@pytest.mark.req(58)
def test_a_named_profile_wins_over_the_host(tmp_path: Path) -> None:
    text = '[providers.mine]\nbase_url = "https://api.minimax.io"\nprofile = "deepseek"'
    assert row_of(tmp_path, text).profile == KNOWN.providers["deepseek"].profile
    text = '[providers.mine]\nbase_url = "http://127.0.0.1:1"\nprofile = { base = "xiaomi", max_tools = 1 }'
    profile = row_of(tmp_path, text).profile
    assert (profile.max_tools, profile.thinking) == (1, "type")


def test_a_custom_provider_on_a_vendors_host_has_all_of_the_vendors_data(tmp_path: Path) -> None:
    text = '[providers.mine]\nbase_url = "https://api.minimax.io"\napi_key = "k-1234"'
    mine = resolve("mine:MiniMax-M3", settings_of(tmp_path, text).catalogue())
    theirs = resolve("minimax:MiniMax-M3", KNOWN)
    assert (mine.provider.profile, mine.provider.profile_name) == (theirs.provider.profile, "minimax")
    assert [mine.provider.endpoint(wire) for wire in mine.provider.wires] == [
        theirs.provider.endpoint(wire) for wire in theirs.provider.wires
    ]
    assert mine.model.context == theirs.model.context
    assert mine.row.prices == theirs.row.prices


def test_a_vendors_models_elsewhere_have_no_known_price(tmp_path: Path) -> None:
    text = '[providers.mine]\nbase_url = "http://127.0.0.1:1"\nprofile = "xiaomi"'
    found = resolve("mine:mimo-v2.6-pro", settings_of(tmp_path, text).catalogue())
    assert found.model.context == 1048576
    assert found.row.prices == ()


@pytest.mark.req(5)
def test_the_global_key_never_serves_the_chinese_region(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "", MINIMAX_API_KEY="k-global-1")
    assert settings.enabled_providers() == ("minimax",)
    with pytest.raises(ConfigError, match="MINIMAX_CN_API_KEY"):
        settings.account("minimax-cn")
    both = settings_of(tmp_path, "", MINIMAX_API_KEY="k-global-1", MINIMAX_CN_API_KEY="k-china-1")
    assert (both.account("minimax").key, both.account("minimax-cn").key) == ("k-global-1", "k-china-1")
    rows = [both.provider(name) for name in ("minimax", "minimax-cn")]
    assert [row.host() for row in rows if row] == ["api.minimax.io", "api.minimaxi.com"]


def test_a_provider_of_messages_only(tmp_path: Path) -> None:
    row = row_of(tmp_path, '[providers.mine]\nurls.messages = "http://127.0.0.1:1/odd"')
    assert row.wire == "messages"
    assert row.endpoint("messages") == "http://127.0.0.1:1/odd"


@pytest.mark.parametrize(
    "text", ["[providers.mine]\nbase_url = 'http://127.0.0.1:1'\nheaders = {Authorization = 'x1234'}"]
)
def test_a_header_that_authenticates_is_a_problem(tmp_path: Path, text: str) -> None:
    problems = settings_of(tmp_path, text).problems
    assert [problem.key for problem in problems] == ["providers.mine.headers"]


def test_one_provider_cannot_be_set_under_two_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="twice"):
        settings_of(tmp_path, "[providers.mimo]\nwire='chat'\n[providers.xiaomi]\nwire='chat'")


@pytest.mark.case("J03")
def test_a_custom_provider_on_a_vendors_host_lists_the_vendors_models(tmp_path: Path) -> None:
    text = '[providers.plan]\nbase_url = "https://token-plan-cn.xiaomimimo.com"\napi_key = "tp-12345678"\n'
    settings = settings_of(tmp_path, text + 'currency = "CNY"')
    known = settings.catalogue()
    theirs = {row.facts.id for row in known.all() if row.facts.provider == "xiaomi"}
    assert {row.facts.id for row in known.all() if row.facts.provider == "plan"} == theirs
    found = resolve("mimo-v2.6-pro", known, enabled=settings.enabled_providers())
    assert (found.name, found.row.prices[0].currency) == ("plan:mimo-v2.6-pro", "CNY")
    assert settings.default_choice() == "plan:mimo-v2.6-pro"


@pytest.mark.req(3)
@pytest.mark.parametrize(
    "where", ['base_url = "https://api.deepseek.com"', 'base_url = "http://h"\nprofile = "deepseek"']
)
def test_a_record_of_a_borrowed_model_changes_single_fields(tmp_path: Path, where: str) -> None:
    (tmp_path / "models.toml").write_text('[[model]]\nprovider = "mine"\nid = "DeepSeek-Flash"\nmax_output = 9\n')
    known = settings_of(tmp_path, f"[providers.mine]\n{where}").catalogue()
    theirs = known.models["deepseek:deepseek-flash"]
    row = known.models["mine:deepseek-flash"]
    assert row.facts == msgspec.structs.replace(theirs.facts, provider="mine", max_output=9)
    assert row.profile == theirs.profile
    paid = "profile" not in where
    assert [one.prices for one in row.prices] == ([one.prices for one in theirs.prices] if paid else [])
