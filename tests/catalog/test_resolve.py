"""From a name to a provider and a model."""

from __future__ import annotations

from datetime import date

import pytest

from dragoman.catalog import ProviderRow, load, resolve
from dragoman.errors import ModelNotFound

KNOWN = load([ProviderRow(id="home", base_url="http://127.0.0.1:1", patterns=("mine-*",))])
ALL = tuple(KNOWN.providers)


def name_of(name: str, aliases: dict[str, str] | None = None, enabled: tuple[str, ...] = ("xiaomi",)) -> str:
    return resolve(name, KNOWN, aliases=aliases, enabled=enabled).name


@pytest.mark.case("J01")
class TestOrder:
    def test_a_provider_before_the_name_wins_over_an_alias(self) -> None:
        assert name_of("xiaomi:m", {"xiaomi:m": "deepseek:deepseek-flash"}) == "xiaomi:m"

    def test_a_slash_names_a_provider_too(self) -> None:
        assert name_of("xiaomi/m") == "xiaomi:m"
        assert name_of("mimo/mimo-v2.6-pro") == "xiaomi:mimo-v2.6-pro"

    def test_the_colon_is_read_first_so_that_ids_may_hold_slashes(self) -> None:
        assert name_of("openrouter:xiaomi/mimo-v2.6-pro") == "openrouter:xiaomi/mimo-v2.6-pro"

    def test_an_exact_alias_wins_over_the_catalogue(self) -> None:
        assert name_of("mimo-v2.6-pro", {"mimo-v2.6-pro": "xiaomi:mimo-v2.6-flash"}) == "xiaomi:mimo-v2.6-flash"

    def test_an_exact_alias_wins_over_an_alias_pattern(self) -> None:
        aliases = {"fast*": "xiaomi:a", "fast": "xiaomi:b"}
        assert name_of("fast", aliases) == "xiaomi:b"

    def test_the_most_specific_alias_pattern_wins(self) -> None:
        aliases = {"claude-*": "xiaomi:a", "claude-haiku-*": "xiaomi:b", "*": "xiaomi:c"}
        assert name_of("claude-haiku-4-5", aliases) == "xiaomi:b"
        assert name_of("claude-opus-5", aliases) == "xiaomi:a"
        assert name_of("other", aliases) == "xiaomi:c"

    def test_the_catalogue_wins_over_patterns(self) -> None:
        found = resolve("mimo-v2.6-pro", KNOWN, enabled=("xiaomi",))
        assert found.row.known
        assert found.model.context == 1048576

    def test_a_pattern_takes_what_the_catalogue_does_not_know(self) -> None:
        found = resolve("mimo-v9", KNOWN, enabled=("xiaomi",))
        assert (found.name, found.row.known) == ("xiaomi:mimo-v9", False)

    def test_patterns_win_over_the_star(self) -> None:
        assert name_of("mine-1", {"*": "xiaomi:*"}, ("xiaomi", "home")) == "home:mine-1"

    def test_the_star_is_last_and_passes_the_name_through(self) -> None:
        assert name_of("gpt-5.5", {"*": "xiaomi:*"}) == "xiaomi:gpt-5.5"
        assert name_of("anything", {"*": "xiaomi:mimo-v2.6-pro"}) == "xiaomi:mimo-v2.6-pro"

    def test_without_a_star_a_stranger_is_an_error_with_near_names(self) -> None:
        with pytest.raises(ModelNotFound) as error:
            resolve("mimi-v2.6-pro", KNOWN, aliases={"a": "xiaomi:m"}, enabled=("xiaomi",))
        assert "mimo-v2.6-pro" in error.value.message
        assert (error.value.info.param, error.value.info.http_status) == ("model", 404)


@pytest.mark.parametrize("name", ["nobody:m", "qwen3:8b"])
def test_a_provider_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ModelNotFound, match=rf"'{name.partition(':')[0]}' is no provider; .*\[providers.NAME\]"):
        resolve(name, KNOWN, enabled=("xiaomi",))
    with pytest.raises(ModelNotFound, match=r"near names: xiaomi:mimo-v2.6-pro"):
        resolve("mimi:mimo-v2.6-pro", KNOWN, enabled=("xiaomi",))


@pytest.mark.parametrize("alias", ["pro", "PRO-X", "with/slash", "with:colon", "gpt-5.5"])
def test_an_alias_may_have_any_name(alias: str) -> None:
    assert name_of(alias, {alias: "xiaomi:mimo-v2.6-pro"}) == "xiaomi:mimo-v2.6-pro"


def test_an_alias_may_point_at_a_bare_name_but_not_at_an_alias() -> None:
    assert name_of("a", {"a": "mimo-v2.6-pro"}) == "xiaomi:mimo-v2.6-pro"
    with pytest.raises(ModelNotFound):
        resolve("a", KNOWN, aliases={"a": "b", "b": "a"}, enabled=ALL)


def test_only_enabled_providers_answer_to_a_bare_name() -> None:
    with pytest.raises(ModelNotFound, match="OPENAI_API_KEY"):
        resolve("gpt-5.5", KNOWN, enabled=("xiaomi",))
    assert name_of("gpt-5.5", enabled=ALL) == "openai:gpt-5.5"


def test_letter_case_does_not_matter_for_known_names() -> None:
    assert name_of("MiMo-V2.6-Pro") == "xiaomi:mimo-v2.6-pro"
    assert name_of("minimax-m3", enabled=("minimax",)) == "minimax:MiniMax-M3"


def test_the_window_suffix_of_claude_code_is_not_sent() -> None:
    assert name_of("xiaomi:mimo-v2.6-pro[1m]") == "xiaomi:mimo-v2.6-pro"
    assert name_of("fast[1m]", {"fast": "xiaomi:m"}) == "xiaomi:m"


@pytest.mark.parametrize("name", ["", " ", ":", "xiaomi:", "/", "*", "xiaomi:*"])
def test_nothing_is_no_name(name: str) -> None:
    with pytest.raises(ModelNotFound):
        resolve(name, KNOWN, enabled=ALL)


def test_a_retired_model_stays_with_a_note_that_names_its_successor() -> None:
    found = resolve("mimo-v2-flash", KNOWN, enabled=("xiaomi",))
    assert found.model.status == "retired"
    assert [note.code for note in found.notes] == ["model_retired"]
    assert "mimo-v2.6-flash" in found.notes[0].message


def test_an_announced_end_is_noted_from_that_day_on() -> None:
    row = {"provider": "xiaomi", "id": "x", "status": "current", "retire_date": "2026-12-01"}
    known = load(overrides=[row])
    for today, count in ((date(2026, 11, 30), 0), (date(2026, 12, 1), 1)):
        assert len(resolve("xiaomi:x", known, today=today).notes) == count


def test_the_client_sees_the_name_that_it_asked_for() -> None:
    assert resolve("fast", KNOWN, aliases={"fast": "xiaomi:m"}).asked == "fast"


def test_the_profile_is_made_fit_for_the_model() -> None:
    assert resolve("zhipu:glm-5.3", KNOWN).provider.profile.thinking == "type_effort"
    assert resolve("zhipu:glm-4.6", KNOWN).provider.profile.thinking == "type"
