"""`dragoman models list`, `show` and `check`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import KEY, Run, cli  # noqa: F401 - the fixture

MINE = """
[[model]]
provider = "home"
id = "q"
context = 9

[[model]]
provider = "xiaomi"
id = "mimo-v2.6-pro"
successor = "nothing"
[model.price]
from = "2026-12-01"
output = "0.5"
service_tiers = { priority = "1.5" }
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A configuration file with facts beside it."""
    (tmp_path / "models.toml").write_text(MINE)
    file = tmp_path / "x.toml"
    file.write_text('[providers.home]\nbase_url = "http://127.0.0.1:1"\n[aliases]\nfast = "home:q"\n')
    return file


def listed(cli: Run, *words: str, **env: str) -> dict[str, Any]:  # noqa: F811
    code, out, err = cli("models", "list", "--json", *words, **env)
    assert code == 0, err
    return {row["id"]: row for row in json.loads(out)}


def test_the_list_can_be_filtered(cli: Run) -> None:  # noqa: F811
    everything = listed(cli, MIMO_API_KEY=KEY)
    retired = listed(cli, "--status", "retired")
    assert {row["status"] for row in retired.values()} == {"retired"}
    both = listed(cli, "--status", "retired", "--status", "alias", "--provider", "deepseek")
    assert {row["status"] for row in both.values()} == {"retired", "alias"}
    assert {row["provider"] for row in both.values()} == {"deepseek"}
    ready = listed(cli, "--ready")
    assert {row["provider"] for row in ready.values()} == {"xiaomi"}
    assert set(ready) == {id for id, row in everything.items() if row["key"] == "set"}
    for wrong in (("--status", "old"), ("--provider", "nobody")):
        assert cli("models", "list", *wrong)[0] == 2
    assert "did you mean 'minimax'" in cli("models", "list", "--provider", "minimx")[2].replace("\n", " ")


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(200, ""), (80, "thinking, output"), (60, "thinking, output, cached, context"), (30, "status, key")],
)
def test_a_narrow_terminal_keeps_whole_names_and_numbers(cli: Run, width: int, left_out: str) -> None:  # noqa: F811
    terminal = {"COLUMNS": str(width), "TTY_COMPATIBLE": "1", "NO_COLOR": "1", "TERM": "xterm"}
    code, out, _ = cli("models", "list", "--provider", "mimo", "--status", "current", **terminal)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out).splitlines()
    assert code == 0
    assert lines[0].split()[0] == "model"
    assert "…" not in out
    if width >= 60:
        assert [line.split()[0] for line in lines[1:3]] == ["xiaomi:mimo-v2.6-pro", "xiaomi:mimo-v2.6-flash"]
    assert lines[1].split()[0].startswith("xiaomi:mimo-v2")
    assert "0.435" in lines[1]
    assert ("A wider terminal shows" in out) == bool(left_out)
    assert left_out in out


def test_a_list_that_is_empty_says_so(cli: Run) -> None:  # noqa: F811
    code, out, _ = cli("models", "list", "--ready")
    assert (code, out) == (0, "No model fits; without --provider, --status and --ready all are listed.\n")
    assert cli("models", "list", "--ready", "--json")[1] == "[]\n"


def test_the_list_shows_the_currency_of_the_account(cli: Run) -> None:  # noqa: F811
    env = {"MIMO_API_KEY": KEY, "DRAGOMAN_PROVIDERS__XIAOMI__CURRENCY": "CNY"}
    assert listed(cli, "--ready", **env)["xiaomi:mimo-v2.6-pro"]["price"]["currency"] == "CNY"
    line = next(line for line in cli("models", "list")[1].splitlines() if line.startswith("xiaomi:mimo-v2.6-pro "))
    assert "3 CNY" in line


@pytest.mark.req(2, 144)
def test_show_tells_everything(cli: Run, mine: Path) -> None:  # noqa: F811
    code, out, err = cli("models", "show", "mimo-v2.6-pro", "--json", "--config", str(mine), MIMO_API_KEY=KEY)
    assert code == 0, err
    shown = json.loads(out)
    assert (shown["key"], shown["key_env"]) == ("set", ["MIMO_API_KEY", "XIAOMI_API_KEY"])
    assert shown["wires"] == ["chat", "messages", "responses"]
    assert shown["endpoints"]["messages"] == "https://api.xiaomimimo.com/anthropic/v1/messages"
    assert shown["profile"] == "xiaomi"
    assert shown["profile_flags"]["max_tokens_field"] == "max_completion_tokens"
    assert shown["reasoning_levels"] == ["none", "medium"]
    lists = {one["id"].partition("@")[2]: one for one in shown["prices"]}
    assert list(lists) == ["2026-09-21", "2026-12-01", "2026-09-21/CNY"]
    assert lists["2026-12-01"]["service_tiers"] == {"priority": "1.5"}
    assert (lists["2026-12-01"]["output"], lists["2026-12-01"]["input"]) == ("0.5", "0.435")
    assert [one["holds"] for one in shown["prices"]].count(True) == 1
    assert all(one["source"] and one["from"] for one in shown["prices"])
    assert KEY not in out


@pytest.mark.req(144)
def test_show_says_which_price_holds_now(cli: Run, tmp_path: Path) -> None:  # noqa: F811
    always, never = ["1-7", "00:00", "24:00"], ["1-1", "00:00", "00:01"]
    record = (
        '[[model]]\nprovider = "xiaomi"\nid = "%s"\nsource = "here"\n[model.price]\nfrom = "2026-01-01"\ninput = "2"\n'
    )
    peak = 'tiers = [{ above = 10, input = "4" }]\noff_peak = { windows = [%s], input = "1" }\n'
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models.toml").write_text(
        record % "cheap" + peak % json.dumps(always) + record % "dear" + peak % json.dumps(never)
    )
    code, out, err = cli("models", "show", "xiaomi:cheap")
    assert code == 0, err
    lines = [line.strip() for line in out.splitlines()]
    assert "from 2026-01-01 in USD: 2 fresh; source: here" in lines
    assert "over 10 input tokens: 4 fresh" in lines
    assert "off-peak (holds now): 1 fresh; UTC, Mon-Sun all day" in lines
    dear = json.loads(cli("models", "show", "xiaomi:dear", "--json")[1])["prices"][0]
    assert (dear["holds"], dear["tiers"], dear["off_peak"]["input"]) == (True, [{"above": 10, "input": "4"}], "1")


def test_show_says_that_a_name_may_be_a_slip(cli: Run, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models.toml").write_text(
        '[[model]]\nprovider = "xiaomi"\nid = "own"\n[model.price]\ninput = "2"\n'
    )
    code, out, err = cli("models", "show", "mimo-v2.6-prro")
    assert code == 0, err
    assert "not in the catalogue" in out
    assert "near names: mimo-v2.6-pro" in out
    assert "near names" not in cli("models", "show", "openrouter:a/b")[1]
    own = [line.strip() for line in cli("models", "show", "xiaomi:own")[1].splitlines()]
    assert "undated, in USD (holds now): 2 fresh" in own
    assert "key_env              MIMO_API_KEY, XIAOMI_API_KEY" in own


def test_show_names_the_flags_that_a_model_or_a_person_changed(cli: Run, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models.toml").write_text(
        '[[model]]\nprovider = "xiaomi"\nid = "m"\nprofile = { max_tools = 3, on = { messages = { stop_max = 1 } } }\n'
    )
    shown = json.loads(cli("models", "show", "xiaomi:m", "--json")[1])
    assert shown["profile_flags_here"] == {"max_tools": 3, "on": {"messages": {"stop_max": 1}}}
    plain = json.loads(cli("models", "show", "xiaomi:mimo-v2.6-pro", "--json")[1])
    assert plain["profile_flags_here"] == {}
    assert "not known" in cli("models", "show", "xiaomi:m")[1]


def test_the_shipped_catalogue_is_in_order(cli: Run) -> None:  # noqa: F811
    code, out, err = cli("models", "check", MIMO_API_KEY=KEY)
    assert code == 0, out + err
    assert " 0 errors" in out
    report = json.loads(cli("models", "check", "--json")[1])
    assert report["ok"] is True
    assert report["models"] > 60
    assert all(set(one) == {"record", "field", "message", "fix", "level", "file"} for one in report["findings"])


def test_check_finds_what_is_wrong_with_ones_own_facts(cli: Run, mine: Path) -> None:  # noqa: F811
    code, out, _ = cli("models", "check", "--json", "--config", str(mine))
    report = json.loads(out)
    assert (code, report["ok"]) == (1, False)
    found = {(one["record"], one["field"], one["level"]) for one in report["findings"]}
    assert ("xiaomi:mimo-v2.6-pro", "successor", "error") in found
    assert {("home:q", field, "warning") for field in ("max_output", "price", "source")} <= found
    line = next(line for line in cli("models", "check", "--config", str(mine))[1].splitlines() if "successor" in line)
    assert line.startswith("error: xiaomi:mimo-v2.6-pro: successor: ")
    assert "; fix: " in line


def test_check_names_the_file_of_a_record_that_was_skipped(cli: Run, mine: Path) -> None:  # noqa: F811
    facts = mine.with_name("models.toml")
    facts.write_text('[[model]]\nprovider = "home"\nid = "q"\ncontext = "many"\n')
    code, out, _ = cli("models", "check", "--config", str(mine), "--provider", "home")
    assert code == 1
    assert f"error: {facts}: home:q: context: " in out


def test_check_works_on_aliases_that_lead_nowhere(cli: Run, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "x.toml"
    file.write_text('[aliases]\nbad = "nobody:thing"\nold = "xiaomi:mimo-v2-flash"\n')
    code, out, _ = cli("models", "check", "--config", str(file))
    assert code == 1
    assert "error: aliases: bad: " in out
    assert "warning: aliases: old: " in out
    file.write_text("[[aliases\n")
    assert cli("models", "check", "--config", str(file))[0] == 2, "a file that cannot be read at all"


def test_old_prices_are_warnings_that_can_be_made_to_count(cli: Run) -> None:  # noqa: F811
    code, out, _ = cli("models", "check", "--max-age", "0", "--provider", "xiaomi")
    assert code == 0
    assert "warning: xiaomi:mimo-v2.6-pro: price: the prices were read " in out
    assert cli("models", "check", "--max-age", "0", "--provider", "xiaomi", "--strict")[0] == 1
    assert "price: the prices" not in cli("models", "check", "--max-age", "36500", "--provider", "xiaomi")[1]
