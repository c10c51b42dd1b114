"""Every provider and every effort, unset and none among them: what is sent for it, as one table."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.request import EFFORTS
from tests.providers.road import made, notes, target

ON, OFF = {"type": "enabled"}, {"type": "disabled"}
KEPT = {"type": "enabled", "clear_thinking": False}
KEEP = {"type": "enabled", "keep": "all"}
N = None


def words(*efforts: Any) -> list[dict[str, Any]]:
    return [{} if word is N else {"reasoning_effort": word} for word in efforts]


def switched(on: dict[str, Any], off: dict[str, Any], efforts: list[Any]) -> list[dict[str, Any]]:
    """thinking on with these words; None for the word switches it off."""
    return [{"thinking": off} if word is N else {"thinking": on, **({"reasoning_effort": word} if word else {})}
            for word in efforts]  # fmt: skip


# What is sent for none, minimal, low, medium, high, xhigh, max; saying nothing sends nothing in every row.
TABLE: dict[str, list[dict[str, Any]]] = {
    "deepseek:deepseek-v4-pro": switched(ON, OFF, [N, "high", "high", "high", "high", "max", "max"]),
    "deepseek:deepseek-flash": switched(ON, OFF, [N, "low", "low", "high", "high", "max", "max"]),
    "deepseek:a-new-one": switched(ON, OFF, [N, "high", "high", "high", "high", "max", "max"]),
    "zhipu:glm-5.3": switched(KEPT, OFF, ["low", "low", "low", "high", "high", "max", "max"]),
    "zhipu:glm-5.3-flash": switched(KEPT, OFF, ["low", "low", "low", "high", "high", "max", "max"]),
    "zhipu:glm-5.2": switched(KEPT, OFF, [N, N, "high", "high", "high", "max", "max"]),
    "zhipu:glm-5.1": switched(KEPT, OFF, [N, "", "", "", "", "", ""]),
    "zhipu:glm-4.6": switched(KEPT, OFF, [N, "", "", "", "", "", ""]),
    "zhipu:glm-4.7": [{}, *switched(KEPT, OFF, ["", "", "", "", "", ""])],
    "zhipu:glm-5-turbo": [{}, *switched(KEPT, OFF, ["", "", "", "", "", ""])],
    "zhipu:glm-4.5v": [{}, *switched(KEPT, OFF, ["", "", "", "", "", ""])],
    "zhipu-coding:glm-5.3": switched(KEPT, OFF, ["low", "low", "low", "high", "high", "max", "max"]),
    "moonshot:kimi-k2.6": switched(KEEP, OFF, [N, "", "", "", "", "", ""]),
    "moonshot:kimi-k2.7-code": [{}] * 7,
    "moonshot:kimi-k3": words("low", "low", "low", "high", "high", "max", "max"),
    "moonshot:kimi-k3.1-pro": words("low", "low", "low", "high", "high", "max", "max"),
    "gemini:gemini-3.8-flash": words("none", "minimal", "low", "medium", "high", "high", "high"),
    "openrouter:some/model": [
        {"reasoning": {"effort": word}} for word in ("none", "minimal", "low", "medium", "high", "xhigh", "xhigh")
    ],
    "xiaomi:mimo-v2.6-pro": switched(ON, OFF, [N, "", "", "", "", "", ""]),
    "minimax:MiniMax-M3": switched({"type": "adaptive"}, OFF, [N, "", "", "", "", "", ""]),
}
SAME = {
    "zhipu:glm-5.3": {"low", "high", "max"},
    "zhipu:glm-5.2": {"none", "high", "max"},
    "deepseek:deepseek-v4-pro": {"none", "high", "max"},
    "deepseek:deepseek-flash": {"none", "low", "high", "max"},
    "moonshot:kimi-k3": {"low", "high", "max"},
    "gemini:gemini-3.8-flash": {"none", "minimal", "low", "medium", "high"},
}
"""Efforts that the vendor has itself: for these nothing is noted."""


def asked(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in ("thinking", "reasoning_effort", "reasoning") if name in body}


@pytest.mark.case("B10", "B11", "B14")
@pytest.mark.req(85)
@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("wire", ["chat", "responses"])
def test_each_effort_has_its_word(name: str, wire: str) -> None:
    for effort, sent in zip(EFFORTS, TABLE[name], strict=True):
        ask = {"reasoning": {"effort": effort}} if wire == "responses" else {"reasoning_effort": effort}
        assert asked(made(name, ask, wire)[1]) == sent, effort


@pytest.mark.case("B10", "B11", "B14")
@pytest.mark.req(85)
@pytest.mark.parametrize("name", TABLE)
def test_a_messages_client_gets_the_same_words(name: str) -> None:
    for effort, sent in zip(EFFORTS, TABLE[name], strict=True):
        if effort in ("low", "medium", "high", "xhigh", "max"):
            ask = {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}, "max_tokens": 4096}
            assert asked(made(name, ask, "messages")[1]) == sent, effort
    off = {"thinking": {"type": "disabled"}, "max_tokens": 4096}
    assert asked(made(name, off, "messages")[1]) == TABLE[name][0]


@pytest.mark.req(85)
@pytest.mark.parametrize("name", TABLE)
def test_saying_nothing_sends_nothing_and_differs_from_none(name: str) -> None:
    assert asked(made(name, {})[1]) == {}
    quiet, _ = made(name, {})
    off, _ = made(name, {"reasoning_effort": "none"})
    assert (quiet.body, quiet.notes) != (off.body, off.notes)


@pytest.mark.req(86)
@pytest.mark.parametrize("name", SAME)
def test_a_level_that_the_vendor_lacks_is_noted_once(name: str) -> None:
    for effort in EFFORTS:
        done, _ = made(name, {"reasoning_effort": effort})
        coerced = [note for note in done.notes if note.code == "effort_coerced"]
        assert len(coerced) == (effort not in SAME[name]), effort


@pytest.mark.case("B11")
@pytest.mark.req(85)
@pytest.mark.parametrize("name", TABLE)
def test_medium_never_switches_thinking_off(name: str) -> None:
    for effort in ("low", "medium", "high", "xhigh", "max"):
        body = asked(made(name, {"reasoning_effort": effort})[1])
        assert body.get("thinking", {}).get("type") != "disabled"
        assert body.get("reasoning_effort") != "none"


@pytest.mark.req(85)
@pytest.mark.parametrize(("effort", "word"), [("low", "high"), ("medium", "high"), ("high", "high"), ("max", "max")])
def test_efforts_on_deepseeks_messages_wire(effort: str, word: str) -> None:
    to = target("deepseek:deepseek-flash", wire="messages")
    _, body = made(to, {"reasoning": {"effort": effort}}, "responses")
    assert (body["thinking"], body["output_config"]) == (ON, {"effort": word})
    _, body = made(to, {"reasoning": {"effort": "none"}}, "responses")
    assert (body["thinking"], "output_config" in body) == (OFF, False)
    assert not {"thinking", "output_config"} & set(made(to, {}, "responses")[1])


@pytest.mark.req(84, 85)
def test_older_claude_models_get_a_budget_and_no_effort() -> None:
    _, body = made("anthropic:claude-haiku-4-5", {"reasoning_effort": "high", "max_tokens": 32000})
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 16384}
    assert "output_config" not in body
    _, body = made("anthropic:claude-opus-5", {"reasoning_effort": "high", "max_tokens": 32000})
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "high"})


@pytest.mark.req(83)
@pytest.mark.parametrize("name", ["openai:gpt-6-sol", "anthropic:claude-sonnet-4-6"])
def test_sampling_stands_only_where_nothing_is_thought(name: str) -> None:
    to = target(name, native=False)
    done, body = made(to, {"temperature": 0.4, "top_p": 0.9, "reasoning_effort": "high"})
    assert not {"temperature", "top_p"} & set(body)
    assert {("param_forced", "temperature"), ("param_forced", "top_p")} <= notes(done)
    assert made(to, {"temperature": 0.4, "reasoning_effort": "none"})[1]["temperature"] == 0.4


@pytest.mark.req(83)
def test_top_k_is_sampling_too() -> None:
    to = target("anthropic:claude-sonnet-4-6", native=False)
    thinks = {"thinking": {"type": "adaptive"}}
    done, body = made(to, {"top_k": 5, **thinks}, "messages")
    assert "top_k" not in body and ("param_forced", "top_k") in notes(done)
    assert made(to, {"top_k": 5}, "messages")[1]["top_k"] == 5
