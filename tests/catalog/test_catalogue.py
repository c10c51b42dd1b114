"""The shipped catalogue is complete, and a person's own facts change single fields of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

import msgspec
import pytest

from dragoman.catalog import Catalogue, Limits, ProviderRow, load, resolve
from dragoman.catalog.records import merged_profile
from dragoman.core.profile import Profile, Range
from dragoman.errors import ConfigError


@pytest.fixture(scope="module")
def known() -> Catalogue:
    return load()


MINIMAX = {
    "MiniMax-M2",
    "MiniMax-M2.1",
    "MiniMax-M2.1-highspeed",
    "MiniMax-M2.5",
    "MiniMax-M2.5-highspeed",
    "MiniMax-M2.7",
    "MiniMax-M2.7-highspeed",
}


@pytest.mark.req(1)
def test_names_of_providers_models_and_wires_come_back_as_they_were(known: Catalogue) -> None:
    for row in known.all():
        provider, _, model = row.id.partition(":")
        again = known.model(provider, model)
        assert again.id == row.id
        assert msgspec.json.decode(msgspec.json.encode(again.facts), type=type(again.facts)) == row.facts
    for provider_row in known.providers.values():
        for wire in provider_row.wires:
            assert msgspec.json.decode(msgspec.json.encode(wire)) == wire


@pytest.mark.req(1)
@pytest.mark.parametrize("name", ["Org/Some-Model:Free", "qwen/Qwen3.8-Max", "MiniMax-M9-Highspeed", "a:b:c", "m.1_2"])
@pytest.mark.parametrize("provider", ["openrouter", "mine", "My.Server"])
def test_a_name_that_nobody_knows_is_kept_letter_by_letter(provider: str, name: str) -> None:
    mine = [ProviderRow(id, base_url="http://127.0.0.1:1", custom=True) for id in ("mine", "My.Server")]
    found = resolve(f"{provider}:{name}", load(extra_providers=mine))
    assert (found.name, found.model.id, found.provider.id) == (f"{provider}:{name}", name, provider)
    again = msgspec.json.decode(msgspec.json.encode(found.model), type=type(found.model))
    assert (again.id, again.provider) == (name, provider)


@pytest.mark.req(2)
def test_every_entry_has_its_facts_or_says_that_they_are_unknown(known: Catalogue) -> None:
    for row in known.all():
        facts, provider = row.facts, known.providers[row.facts.provider]
        assert facts.id
        assert provider.wire in ("chat", "responses", "messages")
        assert urlsplit(provider.endpoint(provider.wire)).scheme == "https"
        assert facts.context is None or facts.context > 0
        assert facts.max_output is None or facts.max_output > 0
        assert facts.thinking != "unknown"
        assert facts.status != "unknown"
        assert row.outputs
        assert row.source
        assert date.fromisoformat(row.date)
        for price in row.prices:
            unit = "" if price.currency == "USD" else f"/{price.currency}"
            assert price.id == f"{row.id}@{price.valid_from.isoformat()}{unit}"
            assert len(price.currency) == 3


@pytest.mark.req(144)
def test_the_chinese_host_of_zhipu_has_what_is_known_of_its_own(known: Catalogue) -> None:
    ours, theirs = known.models["zhipu-cn:glm-5.3"], known.models["zhipu:glm-5.3"]
    assert (ours.facts.context, ours.profile) == (theirs.facts.context, theirs.profile)
    assert [(one.currency, one.prices.input, one.prices.cache_read, one.prices.output) for one in ours.prices] == [
        ("CNY", 8, 2, 28)
    ]
    assert known.models["zhipu-cn:glm-5.3-flash"].facts.inputs == {"image", "video"}
    assert known.models["zhipu-cn:glm-5.2"].price_lists == ()
    assert known.models["zhipu:glm-5.3-flashx"].price_lists == (), "only the Chinese host's price is known"


@pytest.mark.req(138)
def test_limits_that_are_a_matter_of_contract_are_not_the_accounts(known: Catalogue) -> None:
    assert known.models["xiaomi:mimo-v2.6-pro-ultraspeed"].limits == Limits()
    assert known.models["xiaomi:mimo-v2.6-pro"].limits is None


@pytest.mark.req(3)
@pytest.mark.parametrize("region", ["minimax", "minimax-cn"])
def test_minimax_is_listed_for_both_regions(known: Catalogue, region: str) -> None:
    ids = {row.facts.id for row in known.all() if row.facts.provider == region}
    assert ids >= MINIMAX | {"MiniMax-M3"}


@pytest.mark.req(3)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Mine"),
        ("family", "other"),
        ("context", 1000),
        ("max_output", 100),
        ("default_max_output", 50),
        ("inputs", ["image"]),
        ("thinking", "off"),
        ("status", "retired"),
        ("successor", "MiniMax-M3"),
        ("retire_date", "2027-01-01"),
        ("wires", ["chat"]),
        ("notes", "mine"),
        ("source", "me"),
        ("date", "2026-12-01"),
        ("profile", {"max_tools": 3}),
    ],
)
def test_an_override_changes_one_field_and_no_other(known: Catalogue, field: str, value: object) -> None:
    before = known.models["minimax:MiniMax-M3"]
    after = load(overrides=[{"provider": "minimax", "id": "MiniMax-M3", field: value}]).models["minimax:MiniMax-M3"]
    was, now = (
        {**msgspec.to_builtins(row), **msgspec.to_builtins(row)["facts"], "facts": None} for row in (before, after)
    )
    changed = {key for key in {*was, *now} if was.get(key) != now.get(key)}
    assert changed == {field} if field != "thinking" else changed >= {"thinking"}


def test_a_price_can_be_overridden() -> None:
    price = {"from": "2026-11-01", "currency": "EUR", "input": "0.1", "output": "0.2"}
    row = load(overrides=[{"provider": "mimo", "id": "mimo-v2.6-pro", "price": [price]}]).model("mimo", "mimo-v2.6-pro")
    assert row.prices[0].currency == "EUR"
    assert row.prices[0].prices.input == Decimal("0.1")
    assert row.facts.context == 1048576


MIMO = {
    "mimo-v2.6-pro": (131072, "on", "current"),
    "mimo-v2.6-flash": (131072, "on", "current"),
    "mimo-v2.5-pro": (131072, "on", "retired"),
    "mimo-v2.5": (32768, "on", "retired"),
    "mimo-v2-pro": (131072, "on", "retired"),
    "mimo-v2-omni": (32768, "on", "retired"),
    "mimo-v2-flash": (65536, "off", "retired"),
}


@pytest.mark.req(4)
@pytest.mark.parametrize("model", MIMO)
def test_mimo_models_have_their_own_output_and_thinking_defaults(known: Catalogue, model: str) -> None:
    facts = known.models[f"xiaomi:{model}"].facts
    assert (facts.default_max_output, facts.thinking, facts.status) == MIMO[model]
    assert facts.thinking_switchable
    if facts.status == "retired":
        assert facts.successor is not None
        assert known.models[f"xiaomi:{facts.successor}"].facts.status == "current"


@pytest.mark.req(5)
def test_the_chinese_region_has_its_own_address_and_key(known: Catalogue) -> None:
    here, there = known.providers["minimax"], known.providers["minimax-cn"]
    assert not set(here.key_env) & set(there.key_env)
    assert here.base_url_env != there.base_url_env
    assert here.host() != there.host()


def test_mimo_profile_says_what_the_vendor_documents(known: Catalogue) -> None:
    profile = known.providers["xiaomi"].profile
    assert profile.max_tokens_field == "max_completion_tokens"
    assert profile.tool_choices == {"auto"}
    assert profile.max_tools == 128
    assert profile.response_formats == {"text", "json_object"}
    assert profile.temperature == Range(0, 1.5)
    assert profile.top_p == Range(0.01, 1)
    assert profile.params == {"temperature", "top_p", "stop", "frequency_penalty", "presence_penalty"}
    assert (profile.forced_sampling, profile.thinking, profile.replay) == (True, "type", "tool_turns")
    assert (profile.thinking_default, profile.null_content, profile.media_needs_text) == ("auto", False, True)


def test_only_openai_and_anthropic_are_passed_through(known: Catalogue) -> None:
    assert {row.id for row in known.providers.values() if row.native} == {"openai", "anthropic"}


@pytest.mark.req(131)
@pytest.mark.parametrize(
    ("alias", "provider"),
    [("mimo", "xiaomi"), ("zai", "zhipu"), ("glm", "zhipu"), ("kimi", "moonshot"), ("google", "gemini")],
)
def test_providers_answer_to_their_other_names(known: Catalogue, alias: str, provider: str) -> None:
    found = known.provider(alias.upper())
    assert found is not None
    assert found.id == provider


def test_an_unknown_model_gets_a_careful_row(known: Catalogue) -> None:
    row = known.model("xiaomi", "m")
    assert row.facts.context is None
    assert row.facts.thinking == "on"
    assert row.facts.inputs == frozenset()
    assert row.prices == ()
    assert not row.known


def test_an_incomplete_record_loads_with_unknowns() -> None:
    row = load(overrides=[{"provider": "xiaomi", "id": "mimo-v3"}]).model("xiaomi", "mimo-v3")
    assert row.facts.context is None
    assert row.prices == ()
    assert row.known


@pytest.mark.parametrize(
    "record",
    [
        {"provider": "xiaomi", "id": "bad", "context": "many"},
        {"provider": "xiaomi", "id": "bad", "colour": "red"},
        {"provider": "xiaomi", "id": "bad", "thinking": "sometimes"},
        {"provider": "xiaomi", "id": "bad", "profile": {"nonsense": True}},
        {"provider": "xiaomi", "id": "bad", "price": [{"from": "yesterday"}]},
        {"provider": "xiaomi", "id": "bad", "price": [{"from": "2026-01-01", "tiers": [{"input": "1"}]}]},
        {"provider": "xiaomi", "id": "bad", "price": [{"from": "2026-01-01", "input": "cheap"}]},
        {"id": "bad"},
        "bad",
    ],
)
def test_an_unreadable_record_is_reported_and_skipped(record: object) -> None:
    found = load(overrides=[record, {"provider": "xiaomi", "id": "good", "context": 7}])
    assert len(found.problems) == 1
    assert "bad" in str(found.problems[0])
    assert "xiaomi:bad" not in found.models
    assert found.model("xiaomi", "good").facts.context == 7


def test_a_model_flag_goes_over_the_providers_profile(known: Catalogue) -> None:
    provider = known.providers["zhipu"]
    assert provider.profile.thinking == "type"
    assert known.profile_for(provider, known.models["zhipu:glm-5.3"]).thinking == "type_effort"
    assert known.profile_for(provider, known.models["zhipu:glm-4.6"]) == provider.profile


def test_profiles_are_data_of_known_flags(known: Catalogue) -> None:
    assert known.profiles["openai-compatible"] == Profile()
    assert {row.profile_name for row in known.providers.values()} <= set(known.profiles)


def test_extra_providers_join_the_others() -> None:
    row = ProviderRow(id="home", base_url="http://127.0.0.1:1")
    assert load([row]).provider("home") == row


def test_flags_of_one_wire_stand_on_that_wire_only_and_a_models_flags_over_them():
    base = merged_profile(Profile(), {"max_tools": 5, "on": {"responses": {"max_tools": 7, "stop_max": 1}}})
    assert (base.at("chat").max_tools, base.at("responses").max_tools) == (5, 7)
    model = merged_profile(base, {"max_tools": 9, "on": {"messages": {"strict_tools": True}}})
    assert [model.at(w).max_tools for w in ("chat", "responses", "messages")] == [9, 9, 9]
    assert model.at("responses").stop_max == 1
    assert [model.at(w).strict_tools for w in ("chat", "responses", "messages")] == [False, False, True]
    assert not model.at("responses").on
    for wrong in ({"on": {"smtp": {}}}, {"on": 3}, {"on": {"chat": {"no_such": 1}}}):
        with pytest.raises(ConfigError):
            merged_profile(Profile(), wrong)
