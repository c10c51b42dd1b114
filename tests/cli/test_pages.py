"""What README and docs/ say is so: links, files, commands, options, settings, models, variables, faults."""

from __future__ import annotations

import inspect
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from dragoman import catalog
from dragoman.cli import COMMANDS, build
from dragoman.client.ask import KNOWN
from dragoman.config import Settings, examine
from dragoman.config.load import SECTIONS
from dragoman.config.sources import PREFIX, SHORT
from dragoman.errors import ErrorKind
from dragoman.simulator.directives import MANNERS, STATUS_FAULTS, STREAM_FAULTS
from dragoman.simulator.vendors import VENDORS

ROOT = Path(__file__).parents[2]
GENERATED = ("conformance.md", "fates.md", "notes.md", "models.md")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md", *ROOT.glob("docs/**/*.md")]
WRITTEN = [page for page in PAGES if page.name not in GENERATED]
KNOWN_MODELS = catalog.load()


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.S)


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def first_column(page: str) -> set[str]:
    """Every word in backticks in the first column of the page's tables."""
    rows = re.findall(r"^\| (.*?)(?<!\\) \|", text(page), re.M)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def options(words: list[str]) -> tuple[str, set[str]]:
    """The command that these words name, and every option that it has."""
    command: Any = typer.main.get_command(build([words[0]])).commands[words[0]]  # type: ignore[attr-defined]
    found = words[0]
    if COMMANDS[words[0]].group and len(words) > 1:
        command, found = command.commands[words[1]], f"{found} {words[1]}"
    return found, {option for one in command.params for option in one.opts if option.startswith("-")}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_files_that_are_named_are_there(page: Path) -> None:
    folders = "src|tests|docs|benchmarks|search|simulator|providers|catalog|core"
    for path in re.findall(rf"`((?:{folders})/[\w./]+)`", page.read_text(encoding="utf-8")):
        assert any((base / path).exists() for base in (ROOT, ROOT / "src" / "dragoman")), path


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_models_and_variables_that_are_named_exist(page: Path) -> None:
    said = page.read_text(encoding="utf-8")
    ids = {row.facts.id for row in KNOWN_MODELS.all()}
    providers = {known: row.id for row in KNOWN_MODELS.providers.values() for known in (row.id, *row.aliases)}
    for provider, model in re.findall(r"\b([a-z-]+):([A-Za-z][\w.\-]*\d[\w.\-]*)", said):
        if provider in providers:
            assert KNOWN_MODELS.find(providers[provider], model.rstrip(".")) is not None, f"{provider}:{model}"
    for model in re.findall(r"`((?:mimo-v|MiniMax-M|deepseek-|glm-|kimi-k)[\w.\-]+)`", said):
        assert model in ids, model
    variables = {name for row in KNOWN_MODELS.providers.values() for name in (*row.key_env, row.base_url_env)}
    for variable in set(re.findall(r"\b[A-Z][A-Z_]*_(?:API_KEY|BASE_URL)\b", said)) - {"ACME_API_KEY"}:
        assert variable in variables or variable.startswith(PREFIX) or variable == "ANTHROPIC_AUTH_TOKEN", variable
    for variable in re.findall(rf"\b{PREFIX}[A-Z_]+", said):
        rest = variable.removeprefix(PREFIX)
        parts = rest.lower().split("__")
        assert rest in (*SHORT, "CONFIG") or parts[0] == "providers" or parts[1] in SECTIONS[parts[0]].__struct_fields__


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_commands_that_are_shown_exist(page: Path) -> None:
    said = page.read_text(encoding="utf-8")
    lines = [line.partition("#")[0] for block in blocks(page, "sh") for line in block.splitlines()]
    for line in [*lines, *re.findall(r"`([^`\n]*)`", said)]:
        found = re.search(r"(?:^|[ /|])dragoman ((?:[a-z]+ ?)+.*)", line)
        if found is None or found[1].split()[0] not in COMMANDS:
            assert found is None or not line.lstrip("`").startswith("dragoman "), line
            continue
        words = shlex.split(found[1].partition(" > ")[0].partition(" | ")[0].rstrip("&"))
        command, known = options(words)
        unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]
        assert unknown == [], command


@pytest.mark.parametrize(("page", "command"), [("docs/exec.md", "exec"), ("docs/simulator.md", "simulate")])
def test_tables_of_options_are_whole(page: str, command: str) -> None:
    told = {option for cell in first_column(page) for option in re.findall(r"--?[a-z][a-z-]*", cell)}
    assert options([command])[1] - {"--help", "-h"} - told == set()


def test_every_command_is_told_of() -> None:
    whole = "".join(page.read_text(encoding="utf-8") for page in WRITTEN)
    for command, entry in COMMANDS.items():
        assert f"dragoman {command}" in whole
        if entry.group:
            group: Any = typer.main.get_command(build([command])).commands[command]  # type: ignore[attr-defined]
            assert [inner for inner in group.commands if f"{command} {inner}" not in whole and inner != "docs"] == []


def test_the_files_defaults_are_the_defaults() -> None:
    page = ROOT / "docs" / "configuration.md"
    shown = tomllib.loads(blocks(page, "toml")[0])
    assert list(shown) == [*dict.fromkeys(["server", "aliases", *shown])]
    for section, struct in SECTIONS.items():
        defaults = msgspec.json.decode(msgspec.json.encode(struct()))
        assert {key: value for key, value in defaults.items() if value is not None} == shown[section], section
    assert [key for key in ("default_model", "home") if f"# {key} = " not in blocks(page, "toml")[0]] == []


@pytest.mark.parametrize(
    ("page", "block"),
    [
        (page, block)
        for page in WRITTEN
        for block in blocks(page, "toml")
        if not re.search(r"^model = |^\[\[model\]\]|^\[provider\.", block, re.M)
    ],
    ids=lambda value: name(value) if isinstance(value, Path) else "",
)
def test_pieces_of_configuration_can_be_used(page: Path, block: str, tmp_path: Path) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text(block)
    _, problems = examine(
        file, {"HOME": str(tmp_path), "MIMO_API_KEY": "tp-0123456789", "MY_MIMO_KEY": "tp-0123456789"}
    )
    assert [str(problem) for problem in problems if problem.fatal] == []


def test_the_library_page_names_every_option_and_kind_of_error() -> None:
    page = text("docs/library.md")
    assert sorted(KNOWN - first_column("docs/library.md")) == []
    for kind in re.findall(r"`([a-z_]+)`", page.partition("`info.kind` says how (")[2].partition(")")[0]):
        assert kind in ErrorKind.__args__  # type: ignore[attr-defined]


def test_the_simulators_page_names_profiles_faults_and_manners() -> None:
    page = text("docs/simulator.md")
    assert [profile for profile in VENDORS if f"| `{profile}` |" not in page] == []
    faults = page.partition("Errors, each in")[2].partition("## For tests")[0]
    assert [fault for fault in (*STATUS_FAULTS, *STREAM_FAULTS, *MANNERS) if f"`{fault}`" not in faults] == []
    said = set(re.findall(r"`([a-z_]+|\d+)`", faults)) - {"sensitive"}
    assert said - {*STATUS_FAULTS, *STREAM_FAULTS, *MANNERS} == set()


def test_settings_say_what_the_reader_should_look_up() -> None:
    """Error texts send a person to pages; those pages are there."""
    for module in ("check", "load", "providers"):
        source = inspect.getsource(__import__(f"dragoman.config.{module}", fromlist=["x"]))
        for page in re.findall(r"docs/[\w/]+(?:\.md)?", source):
            assert (ROOT / page).exists(), page
    assert Settings().server.port == 3724
    assert "3724" in text("README.md")
