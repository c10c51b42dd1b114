"""What MiniMax, Zhipu and Moonshot are sent when they are spoken to over their own Responses wires."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.replay import PLACEHOLDER
from tests.providers.road import LOOP, TOOL, made, notes, target

NAMES = ["minimax:MiniMax-M3", "zhipu:glm-5.2", "moonshot:kimi-k3"]
URLS = {
    "minimax": "https://api.minimax.io/v1/responses",
    "zhipu": "https://api.z.ai/api/v1/responses",
    "moonshot": "https://api.moonshot.ai/v1/responses",
}


def over(name: str, body: dict[str, Any], wire: str = "chat", **more: Any) -> tuple[Any, dict[str, Any]]:
    """The plan and its body for the Responses wire."""
    session = more.pop("session", "")
    return made(target(name, wire="responses", **more), body, wire, session)


@pytest.mark.parametrize("name", NAMES)
def test_the_address_and_that_chat_stays_the_default(name: str) -> None:
    assert over(name, {})[0].url == URLS[name.partition(":")[0]]
    assert made(name, {})[0].wire == "chat"
    assert made(name, {}, "responses")[0].wire == "chat"


@pytest.mark.req(83)
@pytest.mark.parametrize("name", NAMES)
def test_what_chat_has_and_this_wire_has_not_is_noted(name: str) -> None:
    asked = {"stop": ["x"], "seed": 1, "frequency_penalty": 0.5, "user": "somebody", "n": 1}
    done, body = over(name, asked)
    assert set(body) == {"model", "input"}
    assert {field for code, field in notes(done) if code == "param_dropped"} >= set(asked) - {"n"}


@pytest.mark.parametrize(("name", "key"), list(zip(NAMES, ["s-1", None, "s-1"], strict=True)))
def test_the_session_is_the_cache_key_where_there_is_one(name: str, key: str | None) -> None:
    assert over(name, {}, session="s-1")[1].get("prompt_cache_key") == key


FORMS = {
    "minimax": {"content": [{"type": "reasoning_text", "text": "why"}], "summary": []},
    "zhipu": {"content": [{"type": "reasoning_text", "text": "why"}]},
    "moonshot": {"summary": [{"type": "summary_text", "text": "why"}]},
}


@pytest.mark.req(78)
@pytest.mark.parametrize("name", NAMES)
def test_a_chat_clients_loop_becomes_items(name: str) -> None:
    _, body = over(name, {"messages": LOOP, "tools": [TOOL], "reasoning_effort": "high"})
    thought = dict(body["input"][1])
    assert thought.pop("id").startswith("rs_") and thought.pop("type") == "reasoning"
    assert thought == FORMS[name.partition(":")[0]]
    assert body["input"][2:] == [
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "ok"},
    ]
    assert body["tools"] == [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    assert body.get("tool_choice", "auto") == "auto"


@pytest.mark.req(67, 68)
@pytest.mark.parametrize("name", [*NAMES, "moonshot:kimi-k2.6", "moonshot:kimi-k2.7-code"])
def test_lost_reasoning_is_stood_in_for_only_where_it_is_an_error(name: str) -> None:
    lost = [LOOP[0], {k: v for k, v in LOOP[1].items() if k != "reasoning_content"}, LOOP[2]]
    done, body = over(name, {"messages": lost, "tools": [TOOL]})
    thoughts = [item for item in body["input"] if item.get("type") == "reasoning"]
    if name.startswith("moonshot"):
        (item,) = thoughts
        assert item["summary"] == [{"type": "summary_text", "text": PLACEHOLDER}]
        assert over(name, {"messages": [*lost, LOOP[0]], "tools": [TOOL]})[1]["input"][1] == item
        assert ("thinking_placeholder", "") in notes(done)
    else:
        assert thoughts == []


@pytest.mark.req(85)
@pytest.mark.parametrize("name", NAMES)
def test_the_persons_off_is_said_where_it_can_be(name: str) -> None:
    _, body = over(name, {}, thinking_default="off")
    assert body.get("reasoning") == (None if name.startswith("moonshot") else {"effort": "none"})


@pytest.mark.req(85)
@pytest.mark.parametrize("name", ["zhipu:glm-4.7", "zhipu:glm-5.1", "moonshot:kimi-k2.6", "moonshot:kimi-k2.7-code"])
def test_a_model_without_efforts_is_told_nothing_with_a_note(name: str) -> None:
    for effort in ("none", "low", "max"):
        done, body = over(name, {"reasoning": {"effort": effort}}, "responses")
        assert "reasoning" not in body and ("param_dropped", "reasoning.effort") in notes(done)
    assert over(name, {}, "responses", thinking_default="off")[1].get("reasoning") is None


def test_a_claude_code_request_asks_minimax_to_think() -> None:
    asked = {"thinking": {"type": "adaptive"}, "metadata": {"user_id": "u"}, "top_k": 4, "temperature": 1}
    done, body = over("minimax:MiniMax-M3", asked, "messages")
    assert body["reasoning"] == {"effort": "medium"}
    assert "metadata" not in body  # one name, two meanings
    assert {("param_dropped", "metadata"), ("param_dropped", "top_k")} <= notes(done)
