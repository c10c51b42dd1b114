"""The command line: help, models, config, explain, serve."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import COMMANDS, run
from dragoman.cli.serve import refuse_circles, refuse_workers
from dragoman.config import Account, ProviderSettings, Server, Settings, Stores
from dragoman.errors import ConfigError
from dragoman.gateway.server import bind

KEY = "sk-0123456789secret"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command line in an empty world; gives exit code, output and errors."""
    for name in ("HOME", "XDG_CONFIG_HOME", "DRAGOMAN_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_BASE_URL")) or (name.startswith("DRAGOMAN_") and name != "DRAGOMAN_HOME"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def call(*words: str, **env: str) -> tuple[int, str, str]:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        code = run(words)
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def test_help_names_every_command_and_loads_none(cli: Run) -> None:
    code, out, _ = cli("--help")
    assert code == 0
    assert [name for name in COMMANDS if name not in out] == []
    loaded = "import sys; from dragoman.cli import run; run(['--help']); print([m for m in sys.modules if m in {}])"
    heavy = ["aiohttp", "uvicorn", "starlette", "dragoman.catalog", "dragoman.config", "cryptography"]
    found = subprocess.run(
        [sys.executable, "-c", loaded.format(heavy)], capture_output=True, text=True, check=True
    ).stdout
    assert found.splitlines()[-1] == "[]"


def test_ctrl_c_while_a_command_is_loaded_leaves_no_traceback() -> None:
    def interrupted(words: Sequence[str]) -> Any:
        raise KeyboardInterrupt

    assert run(["models"], interrupted) == 130


def test_usage_errors_end_with_two(cli: Run) -> None:
    for words in (("nonsense",), ("models", "nonsense"), ("serve", "--port", "many"), ("explain",)):
        assert cli(*words)[0] == 2


@pytest.mark.req(2, 4)
def test_models_list_json_is_stable(cli: Run) -> None:
    code, out, _ = cli("models", "list", "--json", MIMO_API_KEY=KEY)
    rows = {row["id"]: row for row in json.loads(out)}
    assert code == 0
    row = rows["xiaomi:mimo-v2.6-pro"]
    assert set(row) == {
        "id", "provider", "model", "name", "status", "key", "context", "max_output", "default_max_output", "inputs",
        "outputs", "thinking", "thinking_switchable", "family", "successor", "retire_date", "price", "notes", "source",
        "date",
    }  # fmt: skip
    assert (row["key"], row["context"], row["price"]["input"]) == ("set", 1048576, "0.435")
    assert rows["openai:gpt-5.5"]["key"] == "missing"
    assert rows["minimax-cn:MiniMax-M3"]["price"] is None
    assert rows["xiaomi:mimo-v2-flash"]["default_max_output"] == 65536
    assert next(iter(rows)).startswith("xiaomi:")
    assert KEY not in out


def test_models_list_for_a_person(cli: Run) -> None:
    code, out, _ = cli("models", "list", "--provider", "mimo")
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("xiaomi:mimo-v2.6-pro "))
    assert line.split()[1:] == ["1M", "128K", "0.435", "0.0036", "0.87", "on", "-", "current"]
    assert "openai:" not in out
    assert cli("models", "list", "--provider", "nobody")[0] == 2


def test_models_show(cli: Run) -> None:
    code, out, _ = cli("models", "show", "mimo-v2-flash", "--json")
    shown = json.loads(out)
    assert code == 0
    assert (shown["successor"], shown["endpoint"]) == (
        "mimo-v2.6-flash",
        "https://api.xiaomimimo.com/v1/chat/completions",
    )
    assert shown["remarks"]
    assert "mimo-v2.6-flash" in cli("models", "show", "mimo-v2-flash")[1]
    code, _, err = cli("models", "show", "mimo-v2.6-prp-x", MIMO_API_KEY=KEY)
    assert code == 0, err  # the name pattern of the provider takes it
    code, _, err = cli("models", "show", "zzz")
    assert code == 1
    assert "there is no model 'zzz'" in err


def test_the_page_of_models_is_fresh(cli: Run) -> None:
    page = Path(__file__).parents[2] / "docs" / "models.md"
    assert page.read_text() == cli("models", "docs")[1], "run `dragoman models docs > docs/models.md`"


@pytest.mark.case("J15")
@pytest.mark.req(153)
def test_config_check(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("[server]\nport = 99999\n[aliases]\na = 'nobody:m'\n")
    code, out, _ = cli("config", "check", "--config", str(file), "--json")
    found = json.loads(out)
    assert code == 1
    assert not found["ok"]
    assert {problem["key"] for problem in found["problems"]} == {"server.port", "aliases.a", ""}
    assert all(problem["fix"] for problem in found["problems"])
    code, out, _ = cli("config", "check", "--config", str(file))
    assert f"error: {file}:2: server.port" in out
    file.write_text("")
    code, out, _ = cli("config", "check", "--config", str(file), MIMO_API_KEY=KEY)
    assert (code, "xiaomi" in out) == (0, True)


@pytest.mark.req(102)
def test_config_show_hides_keys_and_names_places(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("[server]\napi_key = 'client-key-1'\n[stores]\nurl = 'postgresql://u:pw12345@h/d'\n")
    words = ("config", "show", "--config", str(file))
    code, out, _ = cli(*words, MIMO_API_KEY=KEY)
    assert code == 0
    assert not [secret for secret in (KEY, "client-key-1", "pw12345") if secret in out]
    rows = {row["key"]: row for row in json.loads(cli(*words, "--json")[1])}
    assert rows["server.api_key"] == {"key": "server.api_key", "value": "[set]", "from": f"{file}:2"}
    assert rows["providers.xiaomi.api_key"]["from"] == "MIMO_API_KEY"
    assert rows["server.port"] == {"key": "server.port", "value": 3724, "from": "default"}


def test_config_show_tells_all_that_holds_for_a_provider(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("[providers.mimo]\nheaders = { x-team = 'hush-hush' }\nthinking_default = 'off'\nlimits = false\n")
    code, out, _ = cli("config", "show", "--config", str(file), "--json", MIMO_API_KEY=KEY)
    assert code == 0
    assert "hush-hush" not in out
    rows = {row["key"]: (row["value"], row["from"]) for row in json.loads(out)}
    assert {f"providers.xiaomi.{field}" for field in ProviderSettings.__struct_fields__} <= set(rows)
    assert rows["providers.xiaomi.headers"] == ({"x-team": "[set]"}, f"{file}:2")
    assert rows["providers.xiaomi.thinking_default"] == ("off", f"{file}:3")
    assert rows["providers.xiaomi.limits"] == ({}, f"{file}:4")


def test_config_rotate_makes_a_new_key_and_keeps_the_old_one(cli: Run, tmp_path: Path) -> None:
    keys = tmp_path / "home" / "seal.keys"
    assert cli("config", "rotate")[0] == 0
    first = json.loads(keys.read_text())[0]["key"]
    code, out, _ = cli("config", "rotate")
    assert code == 0
    assert str(keys) in out
    stored = json.loads(keys.read_text())
    assert first not in out
    assert stored[0]["key"] != first
    assert stored[0]["key"] not in out
    (old,) = [row for row in stored if row["key"] == first]
    assert old["retired"] > 0
    code, _, err = cli("config", "rotate", DRAGOMAN_SEAL_KEYS="correct horse battery staple")
    assert (code, "the first seals" in err) == (2, True)
    assert json.loads(keys.read_text()) == stored


class TestExplain:
    BODIES = (
        ("responses", {"model": "xiaomi/m", "input": "hi"}),
        ("chat", {"model": "xiaomi/m", "messages": [{"role": "user", "content": "hi"}]}),
        ("messages", {"model": "xiaomi/m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
    )

    @pytest.mark.parametrize(("endpoint", "body"), BODIES)
    def test_it_needs_no_key(self, cli: Run, tmp_path: Path, endpoint: str, body: dict[str, object]) -> None:
        file = tmp_path / "r.json"
        file.write_text(json.dumps(body))
        code, out, err = cli("explain", "--endpoint", endpoint, str(file), "--json")
        assert code == 0, err
        found = json.loads(out)
        assert (found["provider"], found["model"], found["key"]) == ("xiaomi", "m", "missing")
        assert found["url"] == "https://api.xiaomimimo.com/v1/chat/completions"
        assert found["body"]["messages"] == [{"role": "user", "content": "hi"}]

    def test_it_shows_no_key(self, cli: Run, tmp_path: Path) -> None:
        (tmp_path / "r.json").write_text(json.dumps(self.BODIES[0][1]))
        code, out, err = cli("explain", "r.json", "--json", MIMO_API_KEY=KEY)
        assert code == 0
        assert KEY not in out + err
        assert json.loads(out)["key"] == "set"

    def test_another_model_can_be_asked(self, cli: Run, tmp_path: Path) -> None:
        (tmp_path / "r.json").write_text(json.dumps(self.BODIES[0][1]))
        out = cli("explain", "r.json", "-m", "deepseek:deepseek-flash", "--json")[1]
        assert json.loads(out)["body"]["model"] == "deepseek-flash"

    @pytest.mark.req(147)
    def test_it_tells_who_would_search(self, cli: Run, tmp_path: Path) -> None:
        (tmp_path / "r.json").write_text(json.dumps({**self.BODIES[0][1], "tools": [{"type": "web_search"}]}))
        engine = {"DRAGOMAN_SEARCH__ENGINE": "searxng", "DRAGOMAN_SEARCH__URL": "http://127.0.0.1:8888"}
        modes = {
            "off": {"mode": "off"},
            "auto": {"mode": "native"},
            "managed": {"mode": "managed", "engine": "searxng"},
        }
        for mode, told in modes.items():
            out = cli("explain", "r.json", "--json", MIMO_API_KEY=KEY, DRAGOMAN_SEARCH__MODE=mode, **engine)[1]
            assert json.loads(out)["search"] == told
        assert "search: managed by searxng" in cli("explain", "r.json", DRAGOMAN_SEARCH__MODE="managed", **engine)[1]

    def test_notes_are_told_to_a_person(self, cli: Run, tmp_path: Path) -> None:
        (tmp_path / "r.json").write_text(json.dumps({**self.BODIES[0][1], "temperature": 2}))
        out = cli("explain", "r.json")[1]
        assert "xiaomi/m -> xiaomi:m" in out
        assert "param_clamped temperature" in out

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"model":"xiaomi/m"}', '{"model":"zzz","input":"hi"}'])
    def test_a_refusal_ends_with_one(self, cli: Run, tmp_path: Path, text: str) -> None:
        (tmp_path / "r.json").write_text(text)
        code, out, _ = cli("explain", "r.json", "--json")
        assert code == 1
        assert json.loads(out)["error"]["message"]

    @pytest.mark.req(64)
    def test_media_that_the_model_cannot_take(self, cli: Run, tmp_path: Path) -> None:
        part = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
        asked = {"model": "xiaomi:mimo-v2.5-pro", "messages": [{"role": "user", "content": [part]}]}
        (tmp_path / "r.json").write_text(json.dumps(asked))
        code, out, _ = cli("explain", "--endpoint", "chat", "r.json", "--json")
        assert (code, json.loads(out)["error"]["code"]) == (1, "unsupported_media")
        code, out, _ = cli("explain", "--endpoint", "chat", "r.json", "--json", DRAGOMAN_MEDIA__UNSUPPORTED="note")
        assert code == 0
        assert "media_dropped" in [note["code"] for note in json.loads(out)["notes"]]

    def test_a_file_that_is_not_there(self, cli: Run) -> None:
        assert cli("explain", "gone.json")[0] == 2


class TestServe:
    def test_many_workers_need_shared_stores(self, cli: Run) -> None:
        with pytest.raises(ConfigError, match="shared stores"):
            refuse_workers(Settings(), 2)
        with pytest.raises(ConfigError, match="workers"):
            refuse_workers(Settings(stores=Stores("postgresql://x", "redis://x")), 2)
        refuse_workers(Settings(), 1)
        code, _, err = cli("serve", "--workers", "2")
        assert (code, "shared stores" in err) == (2, True)

    @pytest.mark.parametrize(
        ("url", "host", "circle"),
        [
            ("http://127.0.0.1:3724/v1", "127.0.0.1", True),
            ("http://localhost:3724", "127.0.0.1", True),
            ("http://[::1]:3724/v1", "localhost", True),
            ("http://10.0.0.5:3724/v1", "10.0.0.5", True),
            ("http://127.0.0.1:3725/v1", "127.0.0.1", False),
            ("http://10.0.0.6:3724/v1", "10.0.0.5", False),
            ("", "127.0.0.1", False),
        ],
    )
    def test_a_provider_that_is_the_gateway_itself_is_refused(self, url: str, host: str, circle: bool) -> None:
        """The shell in which a client was pointed at the gateway is the one in which the gateway is started."""
        account = Account("openai", "openai", KEY, url)
        settings = Settings(server=Server(host=host, port=3724), accounts={"openai": account})
        told = r"providers\.openai\.base_url .* is this gateway itself; unset"
        with pytest.raises(ConfigError, match=told) if circle else contextlib.nullcontext():
            refuse_circles(settings)

    @pytest.mark.req(153)
    def test_a_bad_file_stops_it_with_place_and_fix(self, cli: Run, tmp_path: Path) -> None:
        (tmp_path / "x.toml").write_text("[server]\nprot = 1\n")
        code, _, err = cli("serve", "--config", "x.toml")
        assert code == 2
        assert "x.toml:2: server.prot" in err
        assert "'port'" in err

    @pytest.mark.parametrize(
        ("host", "port", "said"),
        [
            ("127.0.0.1", None, "choose another --port"),
            ("203.0.113.1", 0, "give a --host of this machine"),
            ("nobody.invalid", 0, "give a --host of this machine"),
        ],
    )
    def test_an_address_that_cannot_be_had_is_told_plainly(
        self, cli: Run, host: str, port: int | None, said: str
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            wanted = str(taken.getsockname()[1] if port is None else port)
            code, _, err = cli(
                "serve", "--host", host, "--port", wanted, MIMO_API_KEY=KEY, DRAGOMAN_API_KEY="client-key"
            )
        assert code == 2
        assert err.startswith(f"dragoman: cannot listen on {host}:{wanted}: ")
        assert err.endswith(f"; {said}\n")

    def test_a_name_is_heard_at_each_of_its_addresses_that_there_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A container without IPv6 may still have ::1 for localhost in its hosts file."""
        here = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
        again = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0))
        absent = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.1", 0))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [absent, here, again])
        with contextlib.ExitStack() as stack:
            bound = [stack.enter_context(one) for one in bind("localhost", 0)]
            assert [one.getsockname()[0] for one in bound] == ["127.0.0.1", "127.0.0.2"]
            assert len({one.getsockname()[1] for one in bound}) == 1, "a free port, the same for all"
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [absent])
        with pytest.raises(ConfigError, match="give a --host of this machine"):
            bind("localhost", 0)

    def test_what_stops_it_is_told_once(self, cli: Run) -> None:
        code, _, err = cli("serve", "--host", "0.0.0.0", MIMO_API_KEY=KEY)
        assert (code, len(err.splitlines()), "DRAGOMAN_API_KEY" in err) == (2, 1, True)

    def test_flags_reach_the_server(self, cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        given: list[Settings] = []
        server = importlib.import_module("dragoman.gateway.server")
        monkeypatch.setattr(server, "serve", given.append)
        assert cli("serve", "--port", "0", "--host", "127.0.0.5", MIMO_API_KEY=KEY)[0] == 0
        assert (given[0].server.port, given[0].server.host) == (0, "127.0.0.5")
