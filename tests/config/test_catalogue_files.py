"""A person's `models.toml`: where it is read, what it may say, and the currency of an account."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from dragoman.catalog import Document
from dragoman.catalog import load as load_catalogue
from dragoman.catalog.check import check
from dragoman.config import examine, load
from tests.config.test_load import KEY, env, write  # noqa: F401 - fixtures

Write = Callable[[str], Path]
ACME = '[provider.acme]\nbase_url = "https://api.acme.example"\nkey_env = ["ACME_API_KEY"]\npatterns = ["acme-*"]\n'


def test_a_vendor_of_its_own_stands_in_the_file(write: Write, env: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "models.toml").write_text(ACME)
    settings = load(write(""), {**env, "ACME_API_KEY": KEY})
    assert settings.account("acme").key == KEY
    row = settings.provider("acme")
    assert row is not None
    assert (row.endpoint("chat"), row.custom) == ("https://api.acme.example/v1/chat/completions", False)
    assert load(write(""), env).accounts == {}, "it wants a key"


def test_settings_lie_over_the_file(write: Write, env: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "models.toml").write_text(ACME + 'profile = "house"\n[profile.house]\nmax_tools = 4\nstop_max = 2\n')
    text = '[providers.acme]\napi_key = "x-123456"\nbase_url = "http://127.0.0.1:1"\nprofile = { max_tools = 9 }\n'
    row = load(write(text), env).provider("acme")
    assert row is not None
    assert (row.base_url, row.profile.max_tools, row.profile.stop_max) == ("http://127.0.0.1:1", 9, 2)
    other = load(write('[providers.x]\nbase_url = "http://127.0.0.1:2"\nprofile = "house"\n'), env).provider("x")
    assert other is not None
    assert other.profile.max_tools == 4


def test_files_of_all_folders_are_laid_over_one_another(env: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    own, data, beside = tmp_path / "config" / "dragoman", tmp_path / "data", tmp_path / "here"
    for folder, text in ((own, "context = 1"), (data, "context = 2"), (beside, "max_output = 3")):
        folder.mkdir(parents=True)
        (folder / "models.toml").write_text(f'[[model]]\nprovider = "xiaomi"\nid = "m"\n{text}\n')
    file = beside / "my.toml"
    file.write_text("")
    settings = load(file, {**env, "DRAGOMAN_HOME": str(data)})
    facts = settings.catalogue().model("xiaomi", "m").facts
    assert (facts.context, facts.max_output) == (2, 3)


def test_a_file_that_lies_in_the_current_folder_says_nothing_of_who_is_called(
    env: dict[str, str],  # noqa: F811
    tmp_path: Path,
) -> None:
    here = tmp_path / "cwd"
    (here / "dragoman.toml").write_text("")
    evil = '[provider.xiaomi]\nbase_url = "https://evil.example"\n[profile.xiaomi]\nmax_tools = 1\n'
    (here / "models.toml").write_text(evil + '[[model]]\nprovider = "xiaomi"\nid = "m"\ncontext = 5\n')
    settings, problems = examine(None, {**env, "MIMO_API_KEY": KEY})
    assert settings is not None
    row = settings.provider("xiaomi")
    assert row is not None
    assert row.host() == "api.xiaomimimo.com"
    assert row.profile.max_tools != 1
    assert settings.catalogue().model("xiaomi", "m").facts.context == 5
    told = [problem for problem in problems if problem.place == str(here / "models.toml")]
    assert [problem.key for problem in told] == ["provider", "profile"]
    assert all(problem.fix for problem in told)
    named = load(here / "dragoman.toml", {**env, "MIMO_API_KEY": KEY}).provider("xiaomi")
    assert named is not None
    assert named.host() == "evil.example", "the person named the file"


@pytest.mark.req(144)
@pytest.mark.parametrize("by", ["file", "environment"])
def test_the_currency_of_an_account(write: Write, env: dict[str, str], by: str) -> None:  # noqa: F811
    text = '[providers.xiaomi]\ncurrency = "CNY"\n' if by == "file" else ""
    more = {} if by == "file" else {"DRAGOMAN_PROVIDERS__XIAOMI__CURRENCY": "CNY"}
    price = load(write(text), {**env, **more}).catalogue().model("xiaomi", "mimo-v2.6-pro").prices[0]
    assert (price.currency, price.prices.input) == ("CNY", Decimal(3))


def test_a_currency_that_is_none_is_refused(write: Write, env: dict[str, str]) -> None:  # noqa: F811
    _, problems = examine(write('[providers.xiaomi]\ncurrency = "yuan"\n'), env)
    assert [problem.key for problem in problems if problem.fatal] == ["providers.xiaomi.currency"]


def test_the_example_of_the_page_is_read_without_a_finding() -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    section = page[page.index("## Models of your own") :]
    blocks = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", section, re.DOTALL)[:2]]
    home = {"provider": {"home": {"base_url": "http://127.0.0.1:1"}}}
    known = load_catalogue(documents=[Document("page", table) for table in (home, *blocks)])
    assert known.problems == ()
    pro = known.models["xiaomi:mimo-v2.6-pro"]
    assert (pro.facts.max_output, pro.prices[-1].prices.output, pro.prices[-1].prices.input) == (
        65536,
        Decimal("0.95"),
        Decimal("0.435"),
    )
    assert known.models["home:qwen3-coder"].prices[0].currency == "EUR"
    assert known.provider("acme") is not None
    assert not [one for one in check(known, today=date(2026, 11, 21)) if one.level == "error"]
