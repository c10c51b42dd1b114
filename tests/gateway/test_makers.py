"""Whose thinking is it, when a client sends it without a seal: the vault knows who made the turn (requirement 92)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.simulator.ask import Call as SaidCall
from dragoman.simulator.brain import Turn
from tests.e2e.protocols import ChatClient, MessagesClient, Results, User
from tests.e2e.street import MODELS, PROFILES, Street

THOUGHT = "what MiMo thought 思考"
CALL = SaidCall("look_up", '{"q": "a"}')
MIMO = f"xiaomi:{MODELS['xiaomi']}"


async def said(street: Street, client: Any, vendor: str, turn: Turn) -> Any:
    """One request, and what the vendor was sent."""
    street.sims[vendor].script.append(turn)
    got = await street.ask(client.road, client.body(f"{vendor}:{MODELS[vendor]}", stream=False))
    assert got.status == 200, (got.body, street.complaints())
    answer = client.take(got, stream=False)
    if answer.calls:
        client.add(Results(tuple((c.id, "fine", False) for c in answer.calls)))
    else:
        client.add(User("and?"))
    return street.last(vendor), got


@pytest.mark.req(92)
@pytest.mark.parametrize("vendor", [v for v in ("deepseek", "minimax", "zhipu", "moonshot") if v in PROFILES])
async def test_a_chat_clients_copy_of_anothers_thinking_is_known(tmp_path: Path, vendor: str) -> None:
    street, client = Street(tmp_path), ChatClient()
    client.add(User("go"))
    await said(street, client, "xiaomi", Turn(THOUGHT, "", (CALL,)))
    assert THOUGHT in json.dumps(client.history, ensure_ascii=False)
    sent, got = await said(street, client, vendor, Turn("mine", "ok"))
    assert THOUGHT not in json.dumps(sent, ensure_ascii=False)
    assert "thinking_dropped" in got.notes
    back, _ = await said(street, client, "xiaomi", Turn("more", "ok"))
    assert THOUGHT in json.dumps(back, ensure_ascii=False)
    assert "mine" not in json.dumps(back["messages"][-2], ensure_ascii=False)
    assert street.complaints() == []


@pytest.mark.req(92)
async def test_it_becomes_text_where_the_person_wants_that(tmp_path: Path) -> None:
    street, client = Street(tmp_path, '[providers.deepseek]\nforeign_reasoning = "text"\n'), ChatClient()
    client.add(User("go"))
    await said(street, client, "xiaomi", Turn(THOUGHT, "", (CALL,)))
    sent, _ = await said(street, client, "deepseek", Turn("mine", "ok"))
    turn = next(m for m in sent["messages"] if m["role"] == "assistant")
    assert turn["content"] == THOUGHT and turn["reasoning_content"] == ""
    assert street.complaints() == []


async def test_thinking_that_nobody_here_made_is_the_targets_own(tmp_path: Path) -> None:
    """A history from elsewhere: unknown is not foreign (a client may have spoken to the vendor directly)."""
    street, client = Street(tmp_path, profiles=("xiaomi",)), ChatClient()
    client.add(User("go"))
    client.history.append({"role": "assistant", "content": "hi", "reasoning_content": "from before"})
    client.add(User("on"))
    sent, _ = await said(street, client, "xiaomi", Turn("x", "ok"))
    assert sent["messages"][2]["reasoning_content"] == "from before"


@pytest.mark.req(92, 107)
@pytest.mark.skipif("anthropic" not in PROFILES, reason="there is no simulator of it")
async def test_the_native_lane_is_left_when_it_cannot_hold_the_history(tmp_path: Path) -> None:
    street, client = Street(tmp_path), MessagesClient()
    client.add(User("go"))
    first, got = await said(street, client, "anthropic", Turn("signed thought", "", (CALL,)))
    assert first["messages"] == [{"role": "user", "content": [{"type": "text", "text": "go"}]}]
    own = dict(client.history[1])
    # A vendor that signs nothing is not given what Anthropic signed, although the client shows it.
    other, _ = await said(street, client, "xiaomi", Turn(THOUGHT, "then"))
    assert "signed thought" not in json.dumps(other)
    # Back home the signed block is there again byte for byte, and MiMo's seal stays here.
    back, _ = await said(street, client, "anthropic", Turn("again", "ok"))
    assert back["messages"][1]["content"][0] == own["content"][0]
    assert "dgm1." not in json.dumps(back) and THOUGHT not in json.dumps(back, ensure_ascii=False)
    # A client that drops it gets it back from the vault, instead of a body that passes as it is.
    for message in client.history:
        if message["role"] == "assistant":
            message["content"] = [b for b in message["content"] if b["type"] not in ("thinking", "redacted_thinking")]
    bare, got = await said(street, client, "anthropic", Turn("", "ok"))
    assert bare["messages"][1]["content"][0] == own["content"][0]
    assert "vault_recalled" in got.notes
    assert street.complaints() == []
