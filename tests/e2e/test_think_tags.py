"""Thinking between tags, from the flags in a person's file to what the clients of all three endpoints see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import ENDPOINTS
from tests.e2e.scripted import Scripted
from tests.e2e.world import call, chunk, message, sse, usage_chunk

pytestmark = pytest.mark.parametrize("endpoint", ENDPOINTS)


def flags(**values: object) -> str:
    """The person's flags for the vendor's profile."""
    words = {True: "true", False: "false"}
    lines = [f"{name} = {words.get(value, value)}" for name, value in values.items()]  # type: ignore[call-overload]
    return "\n".join(["[providers.xiaomi.profile]", *lines, ""])


def stream(*pieces: str, finish: str = "stop") -> bytes:
    return sse(*(chunk(content=piece) for piece in pieces), chunk(finish), usage_chunk())


async def check(at: Scripted, endpoint: str, text: str, reasoning: str, shown: str) -> None:
    """The text whole, in one piece, and letter by letter."""
    for said in (message(text), stream(text), stream(*text)):
        got = await at.read(endpoint, said)
        assert (got.reasoning, got.text, got.end) == (reasoning, shown, "completed"), (text, said)


TAGGED = [
    ("<think>ab</think>T", "ab", "T"),
    ("a < b <thx>", "", "a < b <thx>"),
    ("T <thi", "", "T <thi"),
    ("<think>a</thi", "a</thi", ""),
    ("<think>never closed", "never closed", ""),
    ("<think> \n</think>\n\nT", "", "T"),
    ("<think>a</think>\n\n T\n", "a", "T\n"),
    ("<think>a <think> b</think>c", "a <think> b", "c"),
    ("a</think> b", "", "a b"),
    ("say `<think>` and\n```\n<think>x</think>\n```\n", "", "say `<think>` and\n```\n<think>x</think>\n```\n"),
    ("`a\n<think>b</think>c", "b", "`a\nc"),
    ("<think>`a</think>b", "`a", "b"),
    ("<THINK>a</THINK>b", "", "<THINK>a</THINK>b"),
    ("<thinking>a</thinking>b", "", "<thinking>a</thinking>b"),
]


@pytest.mark.case("B15")
@pytest.mark.req(27, 29, 30, 31, 32, 33, 34, 35, 37)
async def test_every_rule_as_clients_see_it(tmp_path: Path, endpoint: str) -> None:
    at = Scripted(tmp_path, flags(think_tags=True))
    for text, reasoning, shown in TAGGED:
        await check(at, endpoint, text, reasoning, shown)


@pytest.mark.req(38)
@pytest.mark.parametrize("config", ["", flags(think_names='["think"]', think_loose=True, starts_in_thinking=True)])
async def test_without_the_flag_tags_are_text(tmp_path: Path, endpoint: str, config: str) -> None:
    at = Scripted(tmp_path, config)
    for text in ("<think>a</think>\n\nb", "a</think>b", "<think>"):
        await check(at, endpoint, text, "", text)


@pytest.mark.req(34, 36)
async def test_an_answer_that_begins_inside_thinking(tmp_path: Path, endpoint: str) -> None:
    at = Scripted(tmp_path, flags(think_tags=True, starts_in_thinking=True))
    await check(at, endpoint, "why\n</think>\nT</think>U", "why\n", "TU")
    await check(at, endpoint, "never closed", "never closed", "")
    # Where thinking was switched off, the prompt does not open it.
    off: dict[str, Any] = {
        "responses": {"reasoning": {"effort": "none"}},
        "chat": {"reasoning_effort": "none"},
        "messages": {"thinking": {"type": "disabled"}},
    }[endpoint]
    got = await at.read(endpoint, stream("T"), **off)
    assert (got.reasoning, got.text) == ("", "T")


@pytest.mark.req(33, 36, 37)
async def test_flags_of_one_model_hold_for_that_model_only(tmp_path: Path, endpoint: str) -> None:
    (tmp_path / "models.toml").write_text(
        '[[model]]\nprovider = "xiaomi"\nid = "deep"\nthinking = "on"\n'
        'profile = { think_tags = true, think_depth = true, think_loose = true, think_names = ["thought", "reasoning"] }\n'
        '[[model]]\nprovider = "xiaomi"\nid = "late"\nthinking = "on"\n'
        "profile = { think_tags = true, starts_in_thinking = true }\n"
    )
    at = Scripted(tmp_path)
    for model, text, reasoning, shown in (
        ("deep", "<Thought>a< thought >b</thought>c</ THOUGHT>d", "a< thought >b</thought>c", "d"),
        ("deep", "<reasoning>a</reasoning>b", "a", "b"),
        ("deep", "<think>a</think>b", "", "<think>a</think>b"),
        ("late", "a</think>b", "a", "b"),
        ("late", "a<think>b</think>c</think>d", "a<think>b", "cd"),
        ("m", "a</think>b", "", "a</think>b"),
    ):
        for said in (stream(text), message(text)):
            got = await at.read(endpoint, said, model=f"xiaomi/{model}")
            assert (got.reasoning, got.text) == (reasoning, shown), (model, text)


@pytest.mark.req(41)
async def test_adjacent_thinking_is_never_glued(tmp_path: Path, endpoint: str) -> None:
    at = Scripted(tmp_path, flags(think_tags=True))
    text = "<think>one</think>\n<think>two</think>T"
    for said in (stream(text), stream(*text), message(text)):
        got = await at.got(endpoint, said)
        body = got.json if isinstance(said, dict) else {}
        if endpoint == "responses":
            output = body["output"] if body else got.events[-1]["response"]["output"]
            shown = [i["content"][0]["text"] for i in output if i["type"] == "reasoning"]
        elif endpoint == "chat":
            deltas = (
                [c["delta"] for e in got.events for c in e["choices"]] if not body else [body["choices"][0]["message"]]
            )
            shown = "".join(d.get("reasoning_content") or "" for d in deltas).split("\n")
        elif body:
            shown = [b["thinking"] for b in body["content"] if b["type"] == "thinking"]
        else:
            parts: dict[int, str] = {}
            for e in got.events:
                if e["type"] == "content_block_delta" and "thinking" in e["delta"]:
                    parts[e["index"]] = parts.get(e["index"], "") + e["delta"]["thinking"]
            shown = list(parts.values())
        assert shown == ["one", "two"], said


@pytest.mark.req(39)
async def test_what_is_held_is_told_before_what_follows(tmp_path: Path, endpoint: str) -> None:
    at = Scripted(tmp_path, flags(think_tags=True))
    held = chunk(content="held <thi")
    thought = await at.got(endpoint, sse(held, chunk(reasoning_content="later"), chunk("stop"), usage_chunk()))
    assert 0 < thought.body.index(b"<thi") < thought.body.index(b"later")
    called = await at.got(endpoint, sse(held, chunk(**call(arguments='{"a":1}')), chunk("tool_calls"), usage_chunk()))
    assert 0 < called.body.index(b"<thi") < called.body.index(b"call_a")
