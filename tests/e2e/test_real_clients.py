"""Real Codex CLI and real Claude Code through the gateway, on every vendor and every wire that a vendor serves.

Each vendor is its strict simulator. A run is good when the program finishes its task, not one rule of the vendor was
broken, its reasoning came back unchanged where it wants it, and the gateway knows what was used and what it cost.
`DRAGOMAN_CLIENTS=all` also runs what is left out of CI for its length: sessions, compaction and search on every road.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients_lab import Claude, Codex, Lab, Said, Watch, laboratory, model_of
from tests.e2e.programs import CODEX, CODEX_OLD
from tests.e2e.street import MODELS, PROFILES, served
from tests.gateway.asgi import Call, make

pytestmark = [pytest.mark.clients, pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")]
EVERYTHING = os.environ.get("DRAGOMAN_CLIENTS") == "all"
LONG = pytest.mark.skipif(not EVERYTHING, reason="DRAGOMAN_CLIENTS=all runs these, too")

FURTHER = {
    "minimax": ["MiniMax-M2.7"],
    "deepseek": ["deepseek-v4-pro"],
    "zhipu": ["glm-5.3"],
    "moonshot": ["kimi-k2.6"],
}
"""Models beside the usual one that have other rules for thinking."""
CHAT_ALONE = {"kimi-k2.6"}
ROADS = [
    (gate, vendor, model)
    for vendor in PROFILES
    for gate in ("own", "messages", "responses")
    if gate == "own" or (served(vendor, gate) and vendor not in ("openai", "anthropic")) or (vendor, gate) == ("openai", "messages")
    for model in (MODELS[vendor], *FURTHER.get(vendor, []))
    if gate == "own" or model not in CHAT_ALONE
]  # fmt: skip
"""Gateway, vendor, model. The vendor's first wire, then Messages (for OpenAI: Chat), then Responses."""
CLIENTS = {"codex": Codex, "claude": Claude}
USUAL = {
    "search_absent", "effort_coerced", "param_dropped", "param_clamped", "tool_deferred", "tool_degraded",
    "block_stripped", "cache_mark_dropped", "system_as_user",
}  # fmt: skip
"""What may be said of an ordinary request of these programs."""
SWITCHED = {"thinking_dropped", "thinking_placeholder", "tool_duplicate", "tool_loaded", "vault_recalled"}
"""What may be said beside it when a session had another model before."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("lab")) as made:
        yield made


def word() -> str:
    """A word that no other test says: vendors know again what they said themselves."""
    return f"w-{uuid.uuid4().hex[:8]}"


def two_tools(said: str) -> str:
    return (
        f"Run one shell command that writes the word {said} into a file named marker.txt in the current directory, "
        "then read the file back with a second command, then reply with one sentence."
    )


def echo(said: str) -> str:
    return f"Run `echo {said}`, then say what you did."


def check_said(said: Said, words: str) -> None:
    """The program ended well, told the words, and says what it used."""
    assert said.code == 0, said.printed[-4000:]
    assert words in said.text
    assert said.usage["output_tokens"] > 0
    assert sum(said.usage.get(name) or 0 for name in ("input_tokens", "cache_read_input_tokens")) > 0


def check_clean(watch: Watch, further: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """No rule was broken, nothing was refused or left open, nothing odd was noted; usage and cost are known."""
    for vendor, verdict in watch.verdicts.items():
        assert verdict["violations"] == [], vendor
        assert verdict["requests"] == verdict["answered"], vendor
    assert {(line["status"], line["outcome"]) for line in watch.lines} == {(200, "finished")}
    assert watch.codes <= USUAL | further
    for line in watch.lines:
        assert line["tokens"]["input"] is not None and line["tokens"]["output"]
        cost = line["cost"]
        # A list may lack a single price, as of a search: then the amount is not known, either.
        known = cost["amount"] is not None and float(cost["amount"]) > 0
        assert known or (cost["unknown"] and all(name.startswith("price.") for name in cost["unknown"]))


def shows_reasoning(client: str, gate: str, vendor: str) -> bool:
    """Whether reasoning can come back at all. OpenAI's Chat shows none; Codex speaks Responses to OpenAI in any case."""
    return not (vendor == "openai" and gate == "messages" and client == "claude")


@pytest.mark.req(107)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("gate", "vendor", "model"), ROADS, ids=lambda v: v)
def test_a_two_tool_task(lab: Lab, tmp_path: Path, client: str, gate: str, vendor: str, model: str) -> None:
    watch, secret = lab.watch(gate, [vendor]), word()
    person = CLIENTS[client](tmp_path, lab.gates[gate])
    said = person.run(f"{vendor}/{model}", two_tools(secret))
    watch.done()
    check_said(said, secret)
    assert (person.work / "marker.txt").read_text().strip() == secret
    check_clean(watch)
    (verdict,) = watch.verdicts.values()
    assert verdict["placeholders"] == 0
    # Three requests: the second has one earlier turn in it, the third has two.
    assert (verdict["answered"], watch.checked) == (3, 3 if shows_reasoning(client, gate, vendor) else 0)


@pytest.mark.parametrize("vendor", PROFILES)
def test_codex_without_reasoning(lab: Lab, tmp_path: Path, vendor: str) -> None:
    watch, secret = lab.watch("own", [vendor]), word()
    said = Codex(tmp_path, lab.gates["own"]).run(
        model_of(vendor), two_tools(secret), settings='model_reasoning_effort = "none"'
    )
    watch.done()
    check_said(said, secret)
    check_clean(watch)
    forced = vendor == "moonshot"  # the model cannot stop thinking
    assert (watch.checked, watch.verdicts[vendor]["placeholders"]) == (3 if forced else 0, 0)


@pytest.mark.parametrize(("gate", "checked"), [("own", 0), ("messages", 3)])
def test_an_older_codex(lab: Lab, tmp_path: Path, gate: str, checked: int) -> None:
    """It says nothing of reasoning: no thinking, or the vendor's default where the configuration wants it so."""
    watch, secret = lab.watch(gate, ["xiaomi"]), word()
    said = Codex(tmp_path, lab.gates[gate], CODEX_OLD).run(model_of("xiaomi"), two_tools(secret), settings="")
    watch.done()
    check_said(said, secret)
    check_clean(watch)
    assert watch.checked == checked


@pytest.mark.req(107)
@pytest.mark.parametrize("client", CLIENTS)
def test_one_session_through_all_vendors(lab: Lab, tmp_path: Path, client: str) -> None:
    """The model is another one at every step, and at the end the first one again."""
    watch = lab.watch("own", PROFILES)
    person = CLIENTS[client](tmp_path, lab.gates["own"])
    session = ""
    for vendor in (*PROFILES, PROFILES[0]):
        secret = word()
        said = person.run(model_of(vendor), echo(secret), session)
        check_said(said, secret)
        session = said.session
    watch.done()
    check_clean(watch, SWITCHED)
    # Every vendor saw one turn of its own again; the first one at its end the two that it had made, twice, and one.
    assert watch.checked == len(PROFILES) + 2 * 2 + 1


def compacted(lab: Lab, folder: Path, client: str, gate: str, vendor: str, model: str) -> Watch:
    """A session that is compacted, Codex's because it grows over its limit, and a task after that."""
    watch, secret, name = lab.watch(gate, [vendor]), word(), f"{vendor}/{model}"
    person: Any = CLIENTS[client](folder, lab.gates[gate])
    if client == "claude":
        first = person.run(name, echo(word()))
        check_said(first, "done")
        assert person.run(name, "/compact", first.session).code == 0
        check_said(person.run(name, two_tools(secret), first.session), secret)
        return watch.done()
    settings = 'model_reasoning_effort = "high"\nmodel_context_window = 200000\nmodel_auto_compact_token_limit = '
    first = person.run(name, "Run `seq 1 9000`, then say what you did.", settings=settings + "190000")
    check_said(first, "done")
    last = watch.done().lines[-1]["tokens"]
    size = sum(last[bucket] or 0 for bucket in ("input", "cache_read", "cache_write"))
    check_said(person.run(name, two_tools(secret), first.session, settings=settings + str(size - 200)), secret)
    return watch.done()


def conversation(body: dict[str, Any]) -> str:
    """What was said, of a request to a vendor, without its tools."""
    return json.dumps([body.get("messages"), body.get("input")])


def check_compacted(watch: Watch, client: str, gate: str, vendor: str) -> None:
    """The summary was asked for once, and what was said before it is gone from the requests after it."""
    check_clean(watch)
    words = "create a detailed summary of the conversation" if client == "claude" else "CONTEXT CHECKPOINT COMPACTION"
    asked = [words in json.dumps(body) for body in watch.sent[vendor]]
    assert sum(asked) == 1
    before, after = watch.sent[vendor][asked.index(True)], watch.sent[vendor][asked.index(True) + 1]
    assert '"call_' in conversation(before)
    assert '"call_' not in conversation(after)
    if shows_reasoning(client, gate, vendor):
        assert watch.checked > 3


@pytest.mark.parametrize("client", CLIENTS)
def test_a_compacted_session(lab: Lab, tmp_path: Path, client: str) -> None:
    check_compacted(compacted(lab, tmp_path, client, "own", "minimax", "MiniMax-M3"), client, "own", "minimax")


SEARCHES = [("own", "xiaomi"), ("own", "zhipu"), ("own", "openai"), ("own", "anthropic"), ("messages", "deepseek")]
"""Where a search is found: with the vendor's own one, and with the gateway's."""


def check_search(lab: Lab, folder: Path, client: str, gate: str, vendor: str, model: str) -> None:
    """A web search that the program leaves to the server. Claude Code makes a request of its own of it."""
    if (client, vendor) == ("codex", "openai"):
        model = "gpt-5.5"  # Codex lets the newest models search from within their scripts
    watch, name = lab.watch(gate, [vendor]), f"{vendor}/{model}"
    if client == "claude":
        task = "Use the WebSearch tool to search the web for news of MiMo, then reply with one sentence."
        said = Claude(folder, lab.gates[gate]).run(name, task, ENABLE_TOOL_SEARCH="false")
        check_said(said, "example.org")
    else:
        settings = 'model_reasoning_effort = "high"\nweb_search = "live"'
        said = Codex(folder, lab.gates[gate]).run(
            name, "Search the web for news of MiMo, then reply.", settings=settings
        )
        check_said(said, "done")
        assert '"type":"web_search"' in said.printed
    watch.done()
    check_clean(watch)
    assert "search_absent" not in watch.codes


@pytest.mark.req(147)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("gate", "vendor"), SEARCHES)
def test_a_web_search(lab: Lab, tmp_path: Path, client: str, gate: str, vendor: str) -> None:
    check_search(lab, tmp_path, client, gate, vendor, MODELS[vendor])


@pytest.mark.parametrize(
    ("client", "name", "vendor", "noted"),
    [
        ("codex", "gpt-6.1-sol", "deepseek", "tool_degraded"),
        ("codex", "gpt-5.5", "deepseek", "tool_degraded"),
        ("claude", "claude-sonnet-5-5", "deepseek", "system_as_user"),
    ],
)
def test_a_program_that_thinks_it_speaks_to_its_own_model(
    lab: Lab, tmp_path: Path, client: str, name: str, vendor: str, noted: str
) -> None:
    """Under a name that it knows, Codex offers other tools - one that runs JavaScript - and Claude Code other fields."""
    watch, secret = lab.watch("responses", [vendor]), word()
    said = CLIENTS[client](tmp_path, lab.gates["responses"]).run(name, two_tools(secret))
    watch.done()
    check_said(said, secret)
    check_clean(watch)
    assert noted in watch.codes
    assert watch.checked == 3


async def test_codex_with_our_list_of_models(lab: Lab, tmp_path: Path) -> None:
    """Codex knows the model from the gateway's list, and so offers apply_patch in its free form."""
    app = make(tmp_path, "", {"DEEPSEEK_API_KEY": "k-1234"})
    models = await Call(app, f"/v1/models?client_version={CODEX}", method="GET").run()
    (tmp_path / "models.json").write_bytes(models.body)
    watch, secret = lab.watch("own", ["deepseek"]), word()
    person = Codex(tmp_path, lab.gates["own"])
    task = (
        f"Use the apply_patch tool to create a file named marker.txt with the word {secret}, "
        "then read it back with a second command, then reply with one sentence."
    )
    settings = f'model_reasoning_effort = "high"\nmodel_catalog_json = "{tmp_path}/models.json"'
    said = person.run("deepseek:deepseek-flash", task, settings=settings)
    watch.done()
    check_said(said, secret)
    check_clean(watch)
    assert "metadata" not in said.printed
    assert '"type":"file_change"' in said.printed
    assert (person.work / "marker.txt").read_text().strip() == secret


# -- left out of CI


@LONG
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("gate", "vendor", "model"), ROADS, ids=lambda v: v)
def test_a_session_that_leaves_and_comes_back(
    lab: Lab, tmp_path: Path, client: str, gate: str, vendor: str, model: str
) -> None:
    other = PROFILES[(PROFILES.index(vendor) + 1) % len(PROFILES)]
    watch, session = lab.watch(gate, [vendor, other]), ""
    person = CLIENTS[client](tmp_path, lab.gates[gate])
    for name in (f"{vendor}/{model}", f"{vendor}/{model}", model_of(other), f"{vendor}/{model}"):
        secret = word()
        said = person.run(name, echo(secret), session)
        check_said(said, secret)
        session = said.session
    check_clean(watch.done(), SWITCHED)


@LONG
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("gate", "vendor", "model"), ROADS, ids=lambda v: v)
def test_a_compacted_session_anywhere(
    lab: Lab, tmp_path: Path, client: str, gate: str, vendor: str, model: str
) -> None:
    check_compacted(compacted(lab, tmp_path, client, gate, vendor, model), client, gate, vendor)


@LONG
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("gate", "vendor", "model"), [r for r in ROADS if r[0] == "messages"], ids=lambda v: v)
def test_a_managed_search_anywhere(lab: Lab, tmp_path: Path, client: str, gate: str, vendor: str, model: str) -> None:
    check_search(lab, tmp_path, client, gate, vendor, model)


@LONG
@pytest.mark.parametrize(("gate", "vendor", "model"), ROADS, ids=lambda v: v)
def test_an_older_codex_anywhere(lab: Lab, tmp_path: Path, gate: str, vendor: str, model: str) -> None:
    watch, secret = lab.watch(gate, [vendor]), word()
    person = Codex(tmp_path, lab.gates[gate], CODEX_OLD)
    check_said(person.run(f"{vendor}/{model}", two_tools(secret), settings=""), secret)
    check_clean(watch.done())
