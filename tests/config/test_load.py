"""Settings: where they come from, what is refused, and that keys stay hidden."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dragoman.config import Settings, examine, load
from dragoman.errors import ConfigError

Write = Callable[[str], Path]
KEY = "sk-0123456789secret"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str) -> Path:
        file = tmp_path / "my.toml"
        file.write_text(text)
        return file

    return make


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment with a home of its own; the current folder is empty."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.mark.req(153)
def test_a_key_in_the_environment_is_enough(env: dict[str, str]) -> None:
    settings = load(env={**env, "MIMO_API_KEY": KEY})
    assert settings.enabled_providers() == ("xiaomi",)
    assert settings.account("mimo").key == KEY
    assert (settings.server.host, settings.server.port, settings.server.max_body_mb) == ("127.0.0.1", 3724, 32)
    limits = settings.timeouts
    assert (limits.connect, limits.first_byte, limits.idle, limits.total) == (10, 300, 120, 0)
    assert (limits.commit, limits.commit_headers, limits.keepalive) == (1, 10, 15)
    assert settings.problems == ()


@pytest.mark.req(153)
def test_every_setting_can_stand_in_the_file(write: Write, env: dict[str, str]) -> None:
    file = write("""
        default_model = "xiaomi:m"
        [server]
        host = "127.0.0.2"
        port = 1
        api_key = "client-key"
        allowed_hosts = ["a.example"]
        allowed_origins = ["https://a.example"]
        max_body_mb = 1.5
        [providers.mimo]
        base_url = "http://127.0.0.1:9/v1"
        urls.messages = "http://127.0.0.1:8/m"
        api_key = "env:MINE"
        auth = "api-key"
        wire = "messages"
        headers = { x-team = "a" }
        native = ["messages"]
        thinking_default = "off"
        foreign_reasoning = "text"
        limits = { rpm = 1, tpm = 2, concurrency = 3 }
        [aliases]
        a = "xiaomi:m"
        "*" = "xiaomi:*"
        [timeouts]
        idle = 0.5
        [retry]
        attempts = 3
        [seal]
        keys = ["one-key", "env:MINE"]
        [vault]
        ttl_s = 1
        max_mb = 2
        [sessions]
        mode = "off"
        ttl_s = 3
        [search]
        mode = "managed"
        engine = "searxng"
        url = "http://127.0.0.1:8888"
        missing = "fail"
        [media]
        unsupported = "note"
        [trace]
        mode = "hash"
    """)
    settings = load(file, {**env, "MINE": "k-from-mine"})
    assert [problem.key for problem in settings.problems] == ["trace.mode", "providers.xiaomi.limits"]  # no effect yet
    assert (settings.server.port, settings.server.api_key, settings.timeouts.idle) == (1, "client-key", 0.5)
    assert settings.seal.keys == ("one-key", "k-from-mine")
    assert (settings.sessions.mode, settings.search.missing, settings.trace.mode) == ("off", "fail", "hash")
    assert settings.media.unsupported == "note"
    row = settings.provider("xiaomi")
    assert row is not None
    assert (row.base_url, row.auth, row.wire, row.native) == (
        "http://127.0.0.1:9/v1",
        "api-key",
        "messages",
        ("messages",),
    )
    assert row.endpoint("messages") == "http://127.0.0.1:8/m"
    assert row.endpoint("chat") == "http://127.0.0.1:9/v1/chat/completions"
    assert (row.thinking_default, row.limits.concurrency, row.headers) == ("off", 3, {"x-team": "a"})
    assert row.foreign_reasoning == "text"
    assert settings.account("xiaomi").key == "k-from-mine"


class TestPrecedence:
    @pytest.mark.req(153)
    def test_flag_then_environment_then_file_then_default(self, write: Write, env: dict[str, str]) -> None:
        file = write("[server]\nport = 1\nhost = '127.0.0.9'\n")
        world = {**env, "DRAGOMAN_SERVER__PORT": "2"}
        assert load(file, world, {"server.port": 3}).server.port == 3
        assert load(file, world, {"server.port": None}).server.port == 2
        assert load(file, env).server.port == 1
        assert load(file, env).server.host == "127.0.0.9"

    def test_every_value_knows_where_it_came_from(self, write: Write, env: dict[str, str]) -> None:
        file = write("\n[server]\nport = 1\n")
        world = {**env, "DRAGOMAN_TIMEOUTS__IDLE": "7", "MIMO_API_KEY": KEY, "MIMO_BASE_URL": "http://127.0.0.1:1"}
        places = load(file, world, {"server.host": "127.0.0.1"}).provenance
        assert places["server.port"] == f"{file}:3"
        assert places["timeouts.idle"] == "DRAGOMAN_TIMEOUTS__IDLE"
        assert places["server.host"] == "flag --host"
        assert places["providers.xiaomi.api_key"] == "MIMO_API_KEY"
        assert places["providers.xiaomi.base_url"] == "MIMO_BASE_URL"

    def test_short_names(self, env: dict[str, str]) -> None:
        world = {
            **env,
            "DRAGOMAN_API_KEY": "client-key",
            "DRAGOMAN_MODEL": "xiaomi:m",
            "DRAGOMAN_HOME": "here",
            "DRAGOMAN_SEAL_KEYS": "key-a, key-b",
        }
        settings = load(env=world)
        assert (settings.server.api_key, settings.default_model, settings.home) == ("client-key", "xiaomi:m", "here")
        assert settings.seal.keys == ("key-a", "key-b")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DRAGOMAN_PROVIDERS__XIAOMI__BASE_URL", "http://127.0.0.1:5"),
            ("DRAGOMAN_PROVIDERS__MIMO__BASE_URL", "http://127.0.0.1:5"),
            ("MIMO_BASE_URL", "http://127.0.0.1:5"),
        ],
    )
    def test_the_environment_sets_the_base_url_over_the_file(
        self, write: Write, env: dict[str, str], name: str, value: str
    ) -> None:
        file = write("[providers.xiaomi]\nbase_url = 'http://127.0.0.1:4'\n")
        row = load(file, {**env, name: value}).provider("xiaomi")
        assert row is not None
        assert row.base_url == value

    def test_tables_and_lists_in_the_environment(self, env: dict[str, str]) -> None:
        world = {
            **env,
            "DRAGOMAN_SERVER__ALLOWED_HOSTS": "a.example, b.example",
            "DRAGOMAN_ALIASES__FAST": "xiaomi:m",
            "DRAGOMAN_PROVIDERS__HOME": '{"base_url": "http://127.0.0.1:1"}',
            "DRAGOMAN_PROVIDERS__XIAOMI__LIMITS": "false",
        }
        settings = load(env=world)
        assert settings.server.allowed_hosts == ("a.example", "b.example")
        assert settings.aliases == {"fast": "xiaomi:m"}
        assert settings.enabled_providers() == ("home",)
        row = settings.provider("xiaomi")
        assert row is not None
        assert row.limits.rpm is None

    def test_a_variable_may_use_another_name_than_the_file(self, write: Write, env: dict[str, str]) -> None:
        file = write("[providers.zai]\nwire = 'messages'\n")
        settings = load(file, {**env, "DRAGOMAN_PROVIDERS__GLM__API_KEY": "k-1234"})
        assert list(settings.providers) == ["zhipu"]
        assert settings.account("zhipu").key == "k-1234"
        assert settings.provenance["providers.zhipu.wire"] == f"{file}:2"

    @pytest.mark.parametrize(
        ("file_key", "world", "key"),
        [
            ("in-file", {}, "in-file"),
            ("in-file", {"MIMO_API_KEY": "in-env"}, "in-env"),
            ("env:MINE", {"MIMO_API_KEY": "in-env", "MINE": "chosen"}, "chosen"),
            ("env:MINE", {"MIMO_API_KEY": "in-env"}, "in-env"),
            ("in-file", {"XIAOMI_API_KEY": "second"}, "second"),
            ("in-file", {"MIMO_API_KEY": "first", "XIAOMI_API_KEY": "second"}, "first"),
            ("in-file", {"DRAGOMAN_PROVIDERS__XIAOMI__API_KEY": "ours", "MIMO_API_KEY": "in-env"}, "ours"),
        ],
    )
    def test_which_key_is_used(
        self, write: Write, env: dict[str, str], file_key: str, world: dict[str, str], key: str
    ) -> None:
        file = write(f"[providers.xiaomi]\napi_key = '{file_key}'\n")
        assert load(file, {**env, **world}).account("xiaomi").key == key


class TestFile:
    def test_the_order_of_the_search(self, env: dict[str, str], tmp_path: Path) -> None:
        places = {
            "own": tmp_path / "config" / "dragoman" / "dragoman.toml",
            "here": tmp_path / "cwd" / "dragoman.toml",
            "variable": tmp_path / "v.toml",
            "flag": tmp_path / "f.toml",
        }
        world = dict(env)
        assert load(env=world).file == ""
        for port, (name, file) in enumerate(places.items(), 10):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"[server]\nport = {port}\n")
            if name == "variable":
                world["DRAGOMAN_CONFIG"] = str(file)
            assert load(file if name == "flag" else None, world).server.port == port

    @pytest.mark.parametrize("by", ["flag", "variable"])
    def test_a_file_that_was_named_must_be_there(self, env: dict[str, str], by: str) -> None:
        with pytest.raises(ConfigError, match="no file"):
            load("gone.toml" if by == "flag" else None, {**env, "DRAGOMAN_CONFIG": "gone.toml"})

    @pytest.mark.parametrize(
        "text",
        [
            "[server]\napi_key = 'x1234'",
            "[server]\nallowed_hosts = ['evil.example']",
            "[server]\nhost = '0.0.0.0'",
            "[providers.xiaomi]\nbase_url = 'https://evil.example'",
            "[providers.xiaomi]\nurls.chat = 'https://evil.example'",
            "[providers.xiaomi]\napi_key = 'env:OTHER_SECRET'",
            "[providers.xiaomi.headers]\nx-a = 'b'",
            "[search]\nurl = 'https://evil.example'",
            "[stores]\nurl = 'https://evil.example'",
            "[seal]\nkeys = ['abcd']",
            "providers.xiaomi.base_url = 'https://evil.example'",
            "[providers.'a.b']\nbase_url = 'https://evil.example'\napi_key = 'env:OTHER_SECRET'",
            "providers = { xiaomi = { base_url = 'https://evil.example' } }",
        ],
    )
    def test_a_file_of_a_cloned_folder_cannot_send_keys_elsewhere(
        self, env: dict[str, str], tmp_path: Path, text: str
    ) -> None:
        (tmp_path / "cwd" / "dragoman.toml").write_text(text)
        with pytest.raises(ConfigError, match="--config"):
            load(env=env)
        assert load(tmp_path / "cwd" / "dragoman.toml", env).file

    def test_such_a_file_may_set_the_rest(self, env: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "cwd" / "dragoman.toml").write_text("[timeouts]\nidle = 5\n[aliases]\na = 'xiaomi:m'\n")
        assert load(env=env).timeouts.idle == 5


@pytest.mark.req(153)
@pytest.mark.parametrize(
    ("text", "line", "key", "fix"),
    [
        ("[server]\nprot = 1", 2, "server.prot", "'port'"),
        ("[sever]\nport = 1", 1, "sever", "'server'"),
        ("\n\n[timeouts]\nidle = -1", 4, "timeouts.idle", "docs"),
        ("[server]\nport = 70000", 2, "server.port", "docs"),
        ("[server]\nport = 'many'", 2, "server.port", "docs"),
        ("[sessions]\nmode = 'disk'", 2, "sessions.mode", "docs"),
        ("[providers.xiaomi]\nwire = 'soap'", 2, "providers.xiaomi.wire", "docs"),
        ("[providers.xiaomi]\nbase_ur = 'x'", 2, "providers.xiaomi.base_ur", "'base_url'"),
        ("[providers.xiaomi]\nbase_url = 'nowhere'", 2, "providers.xiaomi.base_url", "docs"),
        ("[providers.xiaomi]\n\nprofile = 'xiaomo'", 3, "providers.xiaomi.profile", "'xiaomi'"),
        ("[providers.xiaomi]\nprofile = { max_tool = 1 }", 2, "providers.xiaomi.profile", "max_tools"),
        ("[providers.xiaomo]\napi_key = 'x'", 1, "providers.xiaomo", "'xiaomi'"),
        ("providers.mine = 3", 1, "providers.mine", "[providers.mine]"),
        ("server = 3", 1, "server", "[server]"),
        ("[aliases]\na = 3", 2, "aliases.a", "provider:model"),
        ("[aliases]\na = 'xiaomo:m'", 2, "aliases.a", "'xiaomi'"),
        ("default_model = 3", 1, "default_model", "default_model ="),
        ("[server]\napi_key = 'env:GONE'", 2, "server.api_key", "set GONE"),
        ("[seal]\nkeys = ['env:GONE']", 2, "seal.keys", "set GONE"),
        ("[server]\nport = ", 2, "", "mend the line"),
    ],
)
def test_an_error_names_file_line_key_and_fix(
    write: Write, env: dict[str, str], text: str, line: int, key: str, fix: str
) -> None:
    file = write(text)
    with pytest.raises(ConfigError) as error:
        load(file, env)
    message = error.value.message
    assert f"{file}:{line}:" in message
    assert f"{key}" in message
    assert fix in message
    assert "fix" in message


def test_all_that_is_wrong_is_told_at_once(write: Write, env: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as error:
        load(write("[server]\nprot = 1\nport = 'x'\n[timeout]\nidle = 1"), env)
    assert len(error.value.message.splitlines()) == 3


def test_a_wrong_variable_is_named(env: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"DRAGOMAN_SERVER__PORT: server\.port"):
        load(env={**env, "DRAGOMAN_SERVER__PORT": "many"})
    with pytest.raises(ConfigError, match="DRAGOMAN_SERVER__PROT"):
        load(env={**env, "DRAGOMAN_SERVER__PROT": "1"})


@pytest.mark.case("J15")
class TestCheck:
    """What `config check` finds, each with its setting and a fix."""

    def found(self, env: dict[str, str], file: Path | None = None) -> dict[str, str]:
        return {problem.key: problem.fix for problem in examine(file, env)[1]}

    def test_no_key_at_all(self, env: dict[str, str]) -> None:
        assert "MIMO_API_KEY" in self.found(env)[""]

    def test_a_provider_without_key(self, write: Write, env: dict[str, str]) -> None:
        found = self.found(env, write("[providers.deepseek]\nwire = 'chat'"))
        assert "DEEPSEEK_API_KEY" in found["providers.deepseek.api_key"]

    def test_a_variable_that_is_not_set(self, write: Write, env: dict[str, str]) -> None:
        found = self.found(env, write("[providers.xiaomi]\napi_key = 'env:GONE'"))
        assert "set GONE" in found["providers.xiaomi.api_key"] or "MIMO_API_KEY" in found["providers.xiaomi.api_key"]
        problems = examine(write("[providers.xiaomi]\napi_key = 'env:GONE'"), env)[1]
        assert any("no GONE" in problem.message for problem in problems)

    def test_a_bad_port(self, write: Write, env: dict[str, str]) -> None:
        assert "docs" in self.found(env, write("[server]\nport = 99999"))["server.port"]

    def test_an_unknown_provider_or_profile(self, write: Write, env: dict[str, str]) -> None:
        file = write("[providers.nobody]\nwire = 'chat'\n[providers.xiaomi]\nprofile = 'nothing'")
        assert {"providers.nobody.base_url", "providers.xiaomi.profile"} <= set(self.found(env, file))

    def test_an_alias_that_leads_nowhere(self, write: Write, env: dict[str, str]) -> None:
        file = write("[aliases]\na = 'nobody:m'\nb = 'deepseek:deepseek-flash'\nc = 'xiaomi:m'\nd = 'mimo-v9'")
        found = self.found({**env, "MIMO_API_KEY": KEY}, file)
        assert "provider:model" in found["aliases.a"]
        assert "DEEPSEEK_API_KEY" in found["aliases.b"]
        assert not {"aliases.c", "aliases.d"} & set(found)

    @pytest.mark.req(132)
    @pytest.mark.parametrize(
        ("key", "base", "wrong"),
        [
            ("tp-0123456789", "", True),
            ("tp-0123456789", "https://api.xiaomimimo.com/v1", True),
            ("sk-0123456789", "https://token-plan-sgp.xiaomimimo.com/v1", True),
            ("sk-0123456789", "", False),
            ("tp-0123456789", "https://token-plan-cn.xiaomimimo.com/anthropic", False),
            ("tp-0123456789", "https://token-plan-sgp.xiaomimimo.com", False),
            ("tp-0123456789", "https://token-plan-ams.xiaomimimo.com/", False),
            ("tp-0123456789", "http://127.0.0.1:1/v1", False),
            ("other-0123456789", "", False),
        ],
    )
    def test_a_key_on_the_wrong_host(self, env: dict[str, str], key: str, base: str, wrong: bool) -> None:
        problems = examine(None, {**env, "MIMO_API_KEY": key, **({"MIMO_BASE_URL": base} if base else {})})[1]
        assert bool(problems) is wrong
        assert not any(key in str(problem) for problem in problems)

    def test_an_open_door(self, write: Write, env: dict[str, str]) -> None:
        file = write("[server]\nhost = '0.0.0.0'")
        assert "DRAGOMAN_API_KEY" in self.found(env, file)["server.api_key"]

    def test_a_default_model_that_is_not_there(self, env: dict[str, str]) -> None:
        assert "default_model" in self.found({**env, "MIMO_API_KEY": KEY, "DRAGOMAN_MODEL": "gpt-5.5"})

    def test_nothing_is_wrong(self, env: dict[str, str]) -> None:
        assert self.found({**env, "MIMO_API_KEY": KEY, "DRAGOMAN_MODEL": "mimo-v2.6-pro"}) == {}


@pytest.mark.req(102)
def test_no_repr_and_no_error_shows_a_key(write: Write, env: dict[str, str]) -> None:
    secrets = ["sk-provider-key-1", "client-key-22", "seal-key-333", "db-pass-4444", "header-key-5", "sk-env-key-66"]
    file = write(f"""
        [server]
        api_key = "{secrets[1]}"
        [providers.xiaomi]
        api_key = "{secrets[0]}"
        headers = {{ x-extra = "{secrets[4]}" }}
        [seal]
        keys = ["{secrets[2]}"]
        [stores]
        url = "postgresql://u:{secrets[3]}@127.0.0.1/d"
    """)
    settings = load(file, {**env, "DEEPSEEK_API_KEY": secrets[5]})
    shown = repr(settings) + repr(settings.accounts) + repr(settings.providers) + str(settings.problems)
    assert not [secret for secret in secrets if secret in shown]
    hidden = " ".join(settings.redactions())
    assert [secret for secret in secrets if secret not in hidden] == []


def test_a_wrong_secret_is_not_repeated(write: Write, env: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as error:
        load(write("[server]\napi_key = ['hunter22']"), env)
    assert "hunter22" not in error.value.message


@pytest.mark.req(3)
def test_models_of_ones_own_change_single_fields(write: Write, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(
        '[[model]]\nprovider = "mimo"\nid = "mimo-v2.6-pro"\nmax_output = 7\n[[model]]\nprovider = "xiaomi"\n'
    )
    settings = load(write(""), env)
    facts = settings.catalogue().model("xiaomi", "mimo-v2.6-pro").facts
    assert (facts.max_output, facts.context) == (7, 1048576)
    skipped = [problem for problem in settings.problems if "skipped" in problem.message]
    assert [(problem.key, problem.place) for problem in skipped] == [("xiaomi:?: id", str(tmp_path / "models.toml"))]
    assert skipped[0].fix


def test_a_broken_models_file_stops_nothing(write: Write, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text("[[model\n")
    settings = load(write(""), {**env, "MIMO_API_KEY": KEY})
    assert [problem.place for problem in settings.problems] == [str(tmp_path / "models.toml")]
    assert settings.catalogue().find("xiaomi", "mimo-v2.6-pro") is not None


class TestDefaultModel:
    def test_it_is_the_one_that_was_set(self, env: dict[str, str]) -> None:
        assert load(env={**env, "DRAGOMAN_MODEL": "deepseek:x"}).default_choice() == "deepseek:x"

    def test_else_the_first_current_model_of_the_only_provider(self, env: dict[str, str]) -> None:
        assert load(env={**env, "MIMO_API_KEY": KEY}).default_choice() == "xiaomi:mimo-v2.6-pro"

    def test_else_an_error_with_choices(self, env: dict[str, str]) -> None:
        with pytest.raises(ConfigError, match=r"mimo-v2\.6-pro"):
            load(env={**env, "MIMO_API_KEY": KEY, "DEEPSEEK_API_KEY": KEY}).default_choice()
        with pytest.raises(ConfigError, match="no provider has a key"):
            load(env=env).default_choice()


def test_settings_without_loading_have_the_shipped_catalogue() -> None:
    settings = Settings()
    assert settings.enabled_providers() == ()
    with pytest.raises(ConfigError, match="MIMO_API_KEY"):
        settings.account("xiaomi")
    with pytest.raises(ConfigError, match="no provider"):
        settings.account("nobody")


@pytest.mark.req(147)
@pytest.mark.parametrize(
    ("text", "key", "fatal"),
    [
        ('mode = "managed"', "search.engine", False),
        ('mode = "managed"\nengine = "bing"', "search.engine", True),
        ('mode = "auto"\nengine = "searxng"', "search.url", True),
        ('mode = "auto"\nengine = "searxng"\nurl = "host:80"', "search.url", True),
        ('mode = "managed"\nengine = "fixture"', "search.file", True),
        ('mode = "managed"\nengine = "fixture"\nfile = "gone.json"', "search.file", True),
        ('engine = "searxng"\nurl = "http://s"', "search.mode", False),
        ('mode = "auto"\nurl = "http://s"', "search.engine", False),
        ("fetch = 11", "search.fetch", True),
        ("per_minute = -1", "search.per_minute", True),
    ],
)
def test_what_can_be_wrong_with_a_search(write: Write, text: str, key: str, fatal: bool) -> None:
    file = write(f"[search]\n{text}\n")
    _, problems = examine(file, {"MIMO_API_KEY": KEY, "HOME": "/nowhere"})
    [problem] = [p for p in problems if p.key.startswith("search")]
    assert (problem.key, problem.fatal) == (key, fatal)
    assert problem.fix
    assert problem.place.startswith(str(file))


@pytest.mark.req(64)
def test_a_table_of_the_environment_is_the_place_of_all_that_it_sets(write: Write, env: dict[str, str]) -> None:
    file = write("[providers.home]\nbase_url = 'http://127.0.0.1:1'\nwire = 'messages'\n")
    table = '{"base_url": "http://127.0.0.1:9", "limits": {"rpm": 3}}'
    places = load(file, {**env, "DRAGOMAN_PROVIDERS__HOME": table}).provenance
    assert places["providers.home.base_url"] == places["providers.home.limits"] == "DRAGOMAN_PROVIDERS__HOME"
    assert "providers.home.wire" not in places  # the table replaced the file's, so it is the default


def test_the_data_folder_may_be_written_from_home(
    write: Write, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", env["HOME"])
    assert load(write('home = "~/mine"'), env).home == f"{env['HOME']}/mine"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[trace]\nmode = 'full'", "trace.mode"),
        ("[providers.xiaomi]\nlimits = { rpm = 1 }", "providers.xiaomi.limits"),
        ("[sessions]\nmode = 'sql'", "sessions.mode"),
        ("[stores]\nredis_url = 'redis://127.0.0.1'", "stores.redis_url"),
    ],
)
def test_a_setting_without_effect_is_told(write: Write, env: dict[str, str], text: str, key: str) -> None:
    (problem,) = load(write(text), {**env, "MIMO_API_KEY": KEY}).problems
    assert (problem.key, problem.fatal, problem.place.endswith(":2")) == (key, False, True)
    assert problem.fix


class TestDefaultChoice:
    def test_without_a_key_the_variables_are_named(self, env: dict[str, str]) -> None:
        with pytest.raises(ConfigError, match=r"set one of MIMO_API_KEY, .*DEEPSEEK_API_KEY"):
            load(env=env).default_choice()

    def test_each_provider_is_offered_with_a_model_that_writes(self, env: dict[str, str]) -> None:
        home = {"DRAGOMAN_PROVIDERS__HOME": '{"base_url": "http://127.0.0.1:9"}'}
        with pytest.raises(ConfigError, match="as in home:MODEL"):
            load(env={**env, **home}).default_choice()
        with pytest.raises(ConfigError, match=r"as in xiaomi:mimo-v2.6-pro, minimax:MiniMax-M3, home:MODEL$"):
            load(env={**env, **home, "MIMO_API_KEY": KEY, "MINIMAX_API_KEY": KEY}).default_choice()
        assert load(env={**env, "MIMO_API_KEY": KEY}).default_choice() == "xiaomi:mimo-v2.6-pro"


def test_what_becomes_of_media_can_be_said_by_the_environment(env: dict[str, str]) -> None:
    assert load(None, env).media.unsupported == "error"
    assert load(None, {**env, "DRAGOMAN_MEDIA__UNSUPPORTED": "note"}).media.unsupported == "note"
    with pytest.raises(ConfigError, match=r"media\.unsupported"):
        load(None, {**env, "DRAGOMAN_MEDIA__UNSUPPORTED": "maybe"})
