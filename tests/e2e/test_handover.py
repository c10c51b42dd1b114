"""A thread that changes its model, its vendor and its protocol at any place, and is refused nowhere.

Hypothesis makes a conversation and a road through the vendors; each request goes through the gateway to the strict
simulator of its vendor. See `street` (the vendors) and `protocols` (the clients).
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman import Client, InvalidRequest, Message, RetryPolicy, Text, ToolResult, from_json, to_json
from dragoman.catalog import load
from dragoman.config import load as load_settings
from dragoman.core.replay import PLACEHOLDER
from dragoman.simulator.ask import Call as SaidCall
from dragoman.simulator.brain import Turn
from tests.e2e.protocols import CLIENTS, TOOLS, Assistant, Made, Protocol, Results, User
from tests.e2e.street import KEYS, MODELS, PROFILES, Street, StreetTransport, served

OWN_RULES = ("xiaomi", "minimax", "deepseek", "zhipu", "moonshot")
"""Vendors that show their thinking as text: it can be looked for in what they are sent."""
WIRES = {
    "xiaomi": ("chat", "responses", "messages"),
    "minimax": ("chat", "messages", "responses"),
    "deepseek": ("chat", "messages"),
    "zhipu": ("chat", "messages", "responses"),
    "moonshot": ("chat", "messages", "responses"),
    "openai": ("responses", "chat"),
}
"""The wires on which vendors are spoken to; who is not here has one. What no simulator serves is left out below."""
WIRES = {vendor: tuple(w for w in wires if served(vendor, w)) for vendor, wires in WIRES.items() if vendor in PROFILES}
NATIVE = ("openai", "anthropic")


def sees(vendor: str) -> bool:
    """Whether the vendor's model takes pictures."""
    row = load().model(vendor, MODELS[vendor])
    return row is not None and "image" in row.facts.inputs


@dataclass(frozen=True)
class Step:
    """One request: who answers, on which road the client comes, and what happens.

    blank: white space stands where the answer has no text. trouble: what is wrong with the history before it. calls: ids of the calls that the model makes, "" for one of the
    vendor's own. redacted: the vendor shows its thinking encrypted, where it does such a thing.
    """

    vendor: str
    road: str
    stream: bool = True
    effort: str | None = "medium"
    keeps: bool = True
    text: bool = True
    thinks: bool = True
    calls: tuple[str, ...] = ()
    image: bool = False
    failing: bool = False
    trouble: str = ""
    redacted: bool = False
    blank: bool = False


IDS = ("", "", "call_0", "call_1", "functions.look_up:0", "x" * 70, "toolu_é 1")
TROUBLE = ("", "", "", "", "cut call", "orphan call", "orphan result", "cut text")


@st.composite
def steps(draw: st.DrawFn) -> Step:
    ids = draw(st.lists(st.sampled_from(IDS), max_size=3))
    used: list[str] = []
    for id in ids:
        used.append(id if id not in used else "")
    return Step(
        draw(st.sampled_from(PROFILES)),
        draw(st.sampled_from(tuple(CLIENTS))),
        draw(st.booleans()),
        draw(st.sampled_from((None, "medium", "medium", "high", "none"))),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.booleans()),
        tuple(used),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(TROUBLE)),
        draw(st.booleans()),
        draw(st.booleans()),
    )


@st.composite
def wirings(draw: st.DrawFn) -> str:
    chosen = {vendor: draw(st.sampled_from(wires)) for vendor, wires in WIRES.items()}
    return "".join(f'[providers.{vendor}]\nwire = "{wire}"\n' for vendor, wire in chosen.items())


class Thread:
    """One conversation on its road."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self.client: Protocol = CLIENTS["responses"]()
        self.thoughts: list[tuple[str, str, Assistant]] = []
        self.count = 0

    def number(self) -> int:
        self.count += 1
        return self.count

    def hop(self, step: Step) -> None:
        """The client of the next request: the same, or another protocol's with what can be seen."""
        if self.client.road != step.road:
            self.client = CLIENTS[step.road].opened_with(list(self.client.visible))
        self.client.effort, self.client.keeps = step.effort, step.keeps

    async def go(self, step: Step) -> None:
        """One request and its answer."""
        self.hop(step)
        number = self.number()
        pending = self.client.visible[-1] if self.client.visible else None
        if isinstance(pending, Assistant) and pending.calls:
            failed = step.failing
            rows = tuple((c.id, f"result {number} of {c.name}", failed and n == 0) for n, c in enumerate(pending.calls))
            self.client.add(Results(rows))
        else:
            spoil(self.client, step.trouble, number)
            self.client.add(User(f"question {number}", step.image and sees(step.vendor)))
        thought = f"thought {number} of {step.vendor} 思考" if step.thinks else ""
        calls = tuple(
            SaidCall(TOOLS[n % len(TOOLS)], json.dumps({"q": f"{number}.{n}"}), id) for n, id in enumerate(step.calls)
        )
        text = f"answer {number}" if step.text or not calls else "\n\n" if step.blank else ""
        sim = self.street.sims[step.vendor]
        manners = ("redacted",) if step.redacted and "redacted" in sim.vendor.manners else ()
        sim.script.append(Turn(thought, text, calls, manners=manners))
        got = await self.street.ask(
            step.road, self.client.body(f"{step.vendor}:{MODELS[step.vendor]}", stream=step.stream)
        )
        assert got.status == 200, (step, got.body, self.street.complaints())
        self.check(step)
        native = step.vendor in NATIVE
        said = self.client.take(got, stream=step.stream, strict=not native)
        made = sim.requests[-1].turn
        if thought and made is not None and made.reasoning:
            self.thoughts.append((step.vendor, thought, said))

    def check(self, step: Step) -> None:
        """No vendor sees another's thinking; each gets its own back with the turns that called tools."""
        raw = json.dumps(self.street.last(step.vendor), ensure_ascii=False)
        for vendor, thought, said in self.thoughts:
            if vendor != step.vendor:
                assert thought not in raw, f"{step.vendor} was told what {vendor} thought"
            elif said.calls and vendor in OWN_RULES and step.effort != "none":
                assert thought in raw, f"{vendor} does not get back {thought!r}"


def spoil(client: Protocol, trouble: str, number: int) -> None:
    """What an aborted turn leaves behind in a client's history. It is not part of what can be seen afterwards."""
    seen = list(client.visible)
    id, cut = f"call_cut_{number}", '{"q": "cu'
    before = bool(seen)
    if trouble and not before:
        return
    match trouble, client.road:
        case "cut call", "responses":
            client.history.append(
                {"type": "function_call", "call_id": id, "name": TOOLS[0], "arguments": cut, "status": "incomplete"}
            )
        case "cut call", "chat":
            call = {"id": id, "type": "function", "function": {"name": TOOLS[0], "arguments": cut}}
            client.history += [
                {"role": "user", "content": f"try {number}"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
            ]
        case "orphan call" | "cut call", _:
            client.add(User(f"try {number}"))
            client.add(Assistant("", (Made(id, TOOLS[0], '{"q": "never answered"}'),)))
        case "orphan result", _:
            client.add(User(f"try {number}"))
            client.add(Assistant("a part of"))
            client.add(Results(((f"call_gone_{number}", "nobody asked", False),)))
        case "cut text", "responses":
            part = {"type": "output_text", "text": "I was say"}
            item = {"type": "message", "role": "assistant", "status": "incomplete", "content": [part]}
            client.history += [{"type": "message", "role": "user", "content": f"try {number}"}, item]
        case "cut text", _:
            client.add(User(f"try {number}"))
            client.add(Assistant("I was say"))
    client.visible = seen


async def travel(folder: Path, config: str, road: list[Step]) -> Street:
    """The whole road."""
    street = Street(folder, config)
    thread = Thread(street)
    for step in road:
        await thread.go(step)
    return street


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("street")


@pytest.mark.req(91, 92, 93, 94, 95)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(config=wirings(), road=st.lists(steps(), min_size=2, max_size=7))
def test_any_road_through_the_vendors(folder: Path, config: str, road: list[Step]) -> None:
    street = asyncio.run(travel(folder, config, road))
    assert street.complaints() == []


# Single roads that must not be left to chance


async def turn(thread: Thread, vendor: str, road: str, *ids: str, **more: Any) -> Any:
    """One step of a thread, and the body that the vendor was sent."""
    await thread.go(Step(vendor, road, calls=ids, **more))
    return thread.street.last(vendor)


def thoughts(body: Any, owner: str) -> list[str]:
    """The thoughts of one vendor that a body holds."""
    return re.findall(rf"thought \d+ of {owner} 思考", json.dumps(body, ensure_ascii=False))


@pytest.mark.req(92, 107)
@pytest.mark.parametrize("road", CLIENTS)
@pytest.mark.parametrize("other", [p for p in PROFILES if p != "xiaomi"])
async def test_away_and_back_again(tmp_path: Path, road: str, other: str) -> None:
    """Seals and the vault's entries sleep at another vendor and are alive when the thread returns."""
    thread = Thread(Street(tmp_path))
    await turn(thread, "xiaomi", road, "")
    away = await turn(thread, other, road, "")
    assert thoughts(away, "xiaomi") == [] and "dgm1." not in json.dumps(away)
    back = await turn(thread, "xiaomi", road)
    assert thoughts(back, "xiaomi") == ["thought 1 of xiaomi 思考"] and thoughts(back, other) == []
    sim = thread.street.sims["xiaomi"]
    assert sim.ledger.reasoning_checked == 1 and thread.street.complaints() == []
    home = await turn(thread, other, road)
    assert thoughts(home, "xiaomi") == []
    assert thread.street.complaints() == []


@pytest.mark.req(91, 107)
@pytest.mark.parametrize("road", CLIENTS)
async def test_an_empty_thought_behind_an_id_that_was_issued_twice(tmp_path: Path, road: str) -> None:
    """The second `call_0` has to be renamed; the turn is the same one, and its empty reasoning the one that was sent."""
    thread = Thread(Street(tmp_path, '[providers.xiaomi]\nwire = "chat"\n'))
    for effort in (None, "medium"):
        await thread.go(Step("xiaomi", road, calls=("call_0",), effort=effort, thinks=False))
    await thread.go(Step("xiaomi", road, thinks=False))
    assert thread.street.complaints() == []


@pytest.mark.req(91)
@pytest.mark.parametrize("road", CLIENTS)
@pytest.mark.parametrize(
    ("vendor", "wire"), [(vendor, wire) for vendor in PROFILES for wire in WIRES.get(vendor, ("",))], ids=str
)
async def test_an_empty_line_before_a_call_is_no_obstacle(tmp_path: Path, vendor: str, wire: str, road: str) -> None:
    """Models write one; clients keep it; some vendors refuse a text that holds nothing else."""
    thread = Thread(Street(tmp_path, f'[providers.{vendor}]\nwire = "{wire}"\n' if wire else ""))
    await turn(thread, "xiaomi", road, "", text=False, blank=True)
    await turn(thread, vendor, road, "", text=False, blank=True)
    await turn(thread, vendor, road)
    assert thread.street.complaints() == []


@pytest.mark.req(83, 91)
@pytest.mark.parametrize(
    ("model", "loop", "after"),
    [("claude-sonnet-5-5", "adaptive", "enabled"), ("claude-haiku-4-5", "disabled", "enabled")],
)
@pytest.mark.parametrize("first", [p for p in PROFILES if p != "anthropic"])
async def test_a_tool_loop_that_another_model_began(
    tmp_path: Path, first: str, model: str, loop: str, after: str
) -> None:
    """With a thinking budget the last turn of an open loop begins with signed thinking, and nobody can make that up."""
    street = Street(tmp_path)
    tools = [{"name": "look_up", "input_schema": {"type": "object"}}]
    asked = {"tools": tools, "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000}}
    history: list[Any] = [{"role": "user", "content": "go"}]

    async def ask(name: str) -> Any:
        got = await street.ask("messages", {"model": name, "messages": history, **asked})
        assert got.status == 200, got.body
        history.append({"role": "assistant", "content": got.json["content"]})
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "fine"}
            for block in got.json["content"]
            if block["type"] == "tool_use"
        ]
        history.append({"role": "user", "content": results or "and now?"})
        return got

    street.sims[first].script.append(Turn("hm", "", (SaidCall("look_up", '{"q": "a"}'),)))
    await ask(f"{first}:{MODELS[first]}")
    street.sims["anthropic"].script.append(Turn("", "", (SaidCall("look_up", '{"q": "b"}'),)))
    sent = []
    for _ in range(3):
        got = await ask(f"anthropic:{model}")
        sent.append(street.last("anthropic")["thinking"]["type"])
        assert ("param_dropped" in got.headers.get("x-dragoman-notes", "")) is (sent[-1] == loop)
    assert sent == [loop, loop, after]
    assert street.complaints() == []


FILMS = {
    "chat": {"type": "video_url", "video_url": {"url": "https://a.example/b.mp4"}},
    "responses": {"type": "input_video", "video_url": "https://a.example/b.mp4"},
    "messages": {"type": "video", "source": {"type": "url", "url": "https://a.example/b.mp4"}},
}


@pytest.mark.req(64)
@pytest.mark.parametrize("road", FILMS)
@pytest.mark.parametrize("vendor", PROFILES)
async def test_a_film_that_another_model_saw(tmp_path: Path, vendor: str, road: str) -> None:
    """Also where the body would pass as the client wrote it: those vendors have no such part."""
    thread = Thread(Street(tmp_path))
    thread.hop(Step("xiaomi", road))
    thread.client.history.append({"role": "user", "content": [FILMS[road]]})
    await turn(thread, "xiaomi", road)
    sent = json.dumps(await turn(thread, vendor, road))
    seen = "video" in load().model(vendor, MODELS[vendor]).facts.inputs
    assert ("b.mp4" in sent, "a video was left out" in sent) == (seen, not seen)
    assert thread.street.complaints() == []


@pytest.mark.req(91)
@pytest.mark.parametrize("vendor", PROFILES)
async def test_a_speaker_with_a_name(tmp_path: Path, vendor: str) -> None:
    """Of two people, or of another agent: named where the vendor has a field for it, else in the text."""
    street = Street(tmp_path)
    name = f"{vendor}:{MODELS[vendor]}"
    said = [{"role": "user", "name": "bob", "content": "hello"}]
    told = [{"type": "agent_message", "author": "bob", "content": [{"type": "input_text", "text": "hello"}]}]
    for road, body in (("chat", {"messages": said}), ("responses", {"input": told})):
        got = await street.ask(road, {"model": name, **body})
        assert got.status == 200, got.body
        assert "bob" in json.dumps(street.last(vendor))
    assert street.complaints() == []


@pytest.mark.req(80, 92, 107)
@pytest.mark.skipif("anthropic" not in PROFILES, reason="there is no simulator of it")
@pytest.mark.parametrize("road", CLIENTS)
async def test_redacted_thinking_goes_home_only(tmp_path: Path, road: str) -> None:
    thread = Thread(Street(tmp_path))
    await turn(thread, "anthropic", road, "", redacted=True)
    for other in ("xiaomi", "minimax", "openai"):
        sent = json.dumps(await turn(thread, other, road))
        assert "redacted" not in sent and "dgm1." not in sent
    back = await turn(thread, "anthropic", road)
    turns = [m["content"] for m in back["messages"] if m["role"] == "assistant" and isinstance(m["content"], list)]
    [first] = [
        [b["type"] for b in blocks if isinstance(b, dict)]
        for blocks in turns
        if "redacted_thinking" in json.dumps(blocks)
    ]
    assert first.count("redacted_thinking") == 1
    assert first.index("redacted_thinking") < first.index("tool_use")
    assert thread.street.complaints() == []


@pytest.mark.req(92)
@pytest.mark.parametrize("road", CLIENTS)
@pytest.mark.parametrize(
    ("effort", "own", "expected"),
    [
        ("medium", True, "enabled"),
        (None, True, "enabled"),
        ("medium", False, "enabled"),
        ("none", True, "disabled"),
        ("none", False, "disabled"),
    ],
)
async def test_thinking_after_a_change_of_model(
    tmp_path: Path, road: str, effort: str | None, own: bool, expected: str
) -> None:
    """Own reasoning somewhere: on, with placeholders for the rest. None: as asked. Off only when the client says so."""
    thread = Thread(Street(tmp_path))
    if own:
        await turn(thread, "xiaomi", road, "")
    await turn(thread, "deepseek", road, "")
    sent = await turn(thread, "xiaomi", road, effort=effort)
    calls = [m for m in sent["messages"] if m.get("tool_calls")]
    assert sent["thinking"]["type"] == expected
    given = [m.get("reasoning_content") for m in calls]
    if expected == "disabled":
        assert given == [None] * len(calls)
    else:
        assert given == [*(["thought 1 of xiaomi 思考"] if own else []), PLACEHOLDER]
    assert thread.street.complaints() == []


@pytest.mark.req(92)
@pytest.mark.parametrize("road", CLIENTS)
async def test_a_placeholder_is_not_sealed_or_remembered(tmp_path: Path, road: str) -> None:
    thread = Thread(Street(tmp_path))
    await turn(thread, "deepseek", road, "")
    await turn(thread, "xiaomi", road)
    assert PLACEHOLDER not in json.dumps(thread.client.history)
    back = await turn(thread, "deepseek", road)
    assert thoughts(back, "deepseek") == ["thought 1 of deepseek 思考"]
    assert PLACEHOLDER not in json.dumps(back) and thread.street.complaints() == []


@pytest.mark.req(93)
@pytest.mark.skipif("anthropic" not in PROFILES, reason="there is no simulator of it")
@pytest.mark.parametrize("road", CLIENTS)
async def test_ids_fit_the_target_and_stay_the_clients(tmp_path: Path, road: str) -> None:
    """A vendor with `call_0` in every turn and odd ids, then two with patterns of their own."""
    thread = Thread(Street(tmp_path))
    for _ in range(2):
        await turn(thread, "xiaomi", road, "functions.look_up:0", "call_0", "x" * 70)
    before = [c.id for e in thread.client.visible if isinstance(e, Assistant) for c in e.calls]
    for vendor in ("anthropic", "openai", "minimax", "xiaomi"):
        first = await turn(thread, vendor, road)
        again = await turn(thread, vendor, road)
        size = len(first.get("messages") or first["input"])
        prefix = (again.get("messages") or again["input"])[: size - 1]
        assert prefix == (first.get("messages") or first["input"])[: size - 1]
    after = [c.id for e in thread.client.visible if isinstance(e, Assistant) for c in e.calls]
    assert after == before
    assert thread.street.complaints() == []


@pytest.mark.req(94)
@pytest.mark.parametrize("vendor", PROFILES)
@pytest.mark.parametrize("trouble", ["cut call", "orphan call", "orphan result", "cut text"])
@pytest.mark.parametrize("road", CLIENTS)
async def test_what_an_aborted_turn_leaves_behind(tmp_path: Path, road: str, trouble: str, vendor: str) -> None:
    thread = Thread(Street(tmp_path))
    await turn(thread, "xiaomi", road)
    sent = await turn(thread, vendor, road, trouble=trouble)
    raw = json.dumps(sent)
    assert "nobody asked" not in raw
    if trouble == "cut text":
        assert "I was say" in raw, "what the person saw stays"
    if trouble == "cut call" and road != "messages":
        assert "call_cut_2" not in raw
    assert thread.street.complaints() == []


@pytest.mark.req(94)
async def test_a_failed_stored_response_cannot_be_continued(tmp_path: Path) -> None:
    street = Street(tmp_path)
    street.sims["xiaomi"].script.append(Turn("", "never whole", fault="drop_text"))
    ask = {"model": "xiaomi:mimo-v2.6-pro", "stream": True, "store": True}
    failed = (await street.ask("responses", {**ask, "input": "hi"})).events[-1]["response"]
    assert failed["status"] == "failed"
    got = await street.ask("responses", {**ask, "input": "on", "previous_response_id": failed["id"]})
    assert got.status == 400 and "failed" in got.json["error"]["message"]


@pytest.mark.req(91, 92, 94)
async def test_the_library_hands_over_too(tmp_path: Path) -> None:
    """Answers put back into the history say who thought them, and failed ones stay at home."""
    street = Street(tmp_path)
    env = {**KEYS, "DRAGOMAN_HOME": str(tmp_path)}
    client = Client(settings=load_settings(env=env), transport=StreetTransport(street.apps), retry=RetryPolicy(1))
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
    call = SaidCall("look_up", '{"q": "a"}')

    async def ask(vendor: str, history: list[Any], said: Turn, **more: Any) -> Any:
        street.sims[vendor].script.append(said)
        name = f"{vendor}:{MODELS[vendor]}"
        return await client.stream(model=name, messages=history, tools=tools, effort="medium", **more).reply()

    history: list[Any] = ["go"]
    first = await ask("xiaomi", history, Turn("mimo thinks", "", (call,)))
    history += [first, Message("tool", (ToolResult(first.calls[0].id, (Text("fine"),)),))]
    broken = await ask("deepseek", history, Turn("deep thinks", "half an ans", fault="drop_text"))
    assert broken.error is not None and broken.message.failed
    history += [broken, "go on"]
    for vendor in PROFILES:
        answer = await ask(vendor, history, Turn(f"{vendor} thinks", "ok"))
        assert answer.error is None, (vendor, answer.error, street.complaints())
        sent = json.dumps(street.last(vendor))
        assert ("mimo thinks" in sent) is (vendor == "xiaomi")
        assert "half an ans" not in sent and "deep thinks" not in sent
    told = await ask("zhipu", history, Turn("", "ok"), foreign_reasoning="text")
    assert "mimo thinks" in street.last("zhipu")["messages"][1]["content"] and told.error is None
    with pytest.raises(InvalidRequest, match="drop or text"):
        client.stream(model="zhipu:glm-5.2", messages="x", foreign_reasoning="keep")  # type: ignore[arg-type]
    saved = [from_json(to_json(m), Message) for m in (first.message, broken.message)]
    assert saved == [first.message, broken.message]
    await client.close()
    assert [c for c in street.complaints() if "200 for" not in c] == []
