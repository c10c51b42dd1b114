"""A declared web search in a plan: each vendor's own form, the wire that has it, and what runs it elsewhere."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from dragoman.catalog import load, resolve
from dragoman.core.search import SearchMode
from dragoman.errors import InvalidRequest
from dragoman.providers import Plan, Target, plan
from dragoman.providers.wire_choice import can_search, choose_wire
from dragoman.wire import chat_completions, messages, responses

CATALOGUE = load()
WIRES: dict[str, Any] = {"chat": chat_completions, "responses": responses, "messages": messages}
F = {"type": "function", "name": "f", "parameters": {"type": "object"}}
PARIS = {"type": "approximate", "country": "FR", "city": "Paris"}


def target(name: str = "xiaomi:mimo-v2.6-pro", **more: Any) -> Target:
    found = resolve(name, CATALOGUE, enabled=[name.partition(":")[0]])
    return Target(found.provider, found.model, **{"key": "sk-key", **more})


def made(
    tools: Any, to: Target | None = None, *, search: SearchMode = "native", wire: str = "responses", **body: Any
) -> tuple[Plan, dict[str, Any]]:
    asked = {"input": "hi"} if wire == "responses" else {"messages": [{"role": "user", "content": "hi"}]}
    if wire == "messages":
        asked["max_tokens"] = 100
    full = {"model": "x", **asked, **({"tools": tools} if tools else {}), **body}
    request, _ = WIRES[wire].decode_request(json.dumps(full).encode())
    done = plan(request, to or target(), search=search)
    return done, json.loads(done.body)


def codes(done: Plan) -> list[tuple[str, str]]:
    return [(note.code, note.field) for note in done.notes]


# MiMo


@pytest.mark.case("G01")
@pytest.mark.req(147)
def test_mimo_gets_the_flat_tool_beside_functions() -> None:
    search = {"type": "web_search", "search_context_size": "high", "user_location": PARIS}
    done, body = made([F, search])
    assert body["tools"][1] == {
        "type": "web_search",
        "max_keyword": 3,
        "limit": 5,
        "force_search": False,
        "user_location": PARIS,
    }
    assert body["tools"][0]["function"]["name"] == "f"
    assert (done.wire, done.search) == ("chat", "native")
    assert not [note for note in done.notes if "search" in note.code]


@pytest.mark.req(147)
@pytest.mark.parametrize(
    ("wire", "tool", "sent"),
    [
        ("responses", {"type": "web_search"}, {"max_keyword": 2, "limit": 4}),
        ("responses", {"type": "web_search_preview", "search_context_size": "low"}, {"max_keyword": 1, "limit": 3}),
        ("messages", {"type": "web_search_20250305", "name": "web_search", "max_uses": 1}, {"max_keyword": 1, "limit": 4}),
        ("messages", {"type": "web_search_20260318", "name": "web_search", "max_uses": 8}, {"max_keyword": 2, "limit": 4}),
        ("chat", {"type": "web_search", "max_keyword": 9, "limit": 7, "force_search": True},
         {"max_keyword": 9, "limit": 7, "force_search": True}),
    ],
)  # fmt: skip
def test_every_protocols_declaration_reaches_mimo(wire: str, tool: dict[str, Any], sent: dict[str, Any]) -> None:
    _, body = made([tool], wire=wire)
    assert body["tools"] == [{"type": "web_search", "force_search": False, **sent}]


def test_the_chat_parameter_declares_a_search_too() -> None:
    options = {"search_context_size": "high", "user_location": {"type": "approximate", "approximate": {"city": "Rome"}}}
    _, body = made(None, wire="chat", web_search_options=options)
    assert body["tools"][0]["user_location"] == {"type": "approximate", "city": "Rome"}
    assert "web_search_options" not in body
    done, body = made(None, wire="chat", web_search_options=options, search="off")
    assert "tools" not in body
    assert ("search_absent", "web_search_options") in codes(done)


@pytest.mark.req(147)
@pytest.mark.parametrize(
    ("wire", "choice"),
    [
        ("responses", {"type": "web_search"}),
        ("responses", "required"),
        ("messages", {"type": "tool", "name": "web_search"}),
        ("messages", {"type": "any"}),
    ],
)
def test_a_forced_search_is_forced_by_the_tool_itself(wire: str, choice: Any) -> None:
    tool = {"type": "web_search"} if wire == "responses" else {"type": "web_search_20250305", "name": "web_search"}
    done, body = made([tool], wire=wire, tool_choice=choice)
    assert body["tools"][0]["force_search"] is True
    assert body.get("tool_choice", "auto") == "auto"
    assert "tool_choice_weakened" not in [note.code for note in done.notes]


def test_what_mimos_search_has_no_word_for_is_noted() -> None:
    tool = {
        "type": "web_search",
        "filters": {"allowed_domains": ["a.org"]},
        "user_location": {**PARIS, "timezone": "x"},
    }
    done, body = made([tool])
    assert body["tools"][0]["user_location"] == PARIS
    assert {("param_dropped", "tools[web_search].allowed_domains"),
            ("param_dropped", "tools[web_search].user_location.timezone")} <= set(codes(done))  # fmt: skip


@pytest.mark.req(147)
def test_only_pay_as_you_go_keys_on_the_chat_wire_search_natively() -> None:
    assert can_search(target())
    assert can_search(target(base_url="http://127.0.0.1:1/v1"))
    assert not can_search(target(key="tp-plan", base_url="http://127.0.0.1:1/v1"))
    assert not can_search(target(key="tp-plan", base_url="https://token-plan-cn.xiaomimimo.com/v1"))
    for wire in ("responses", "messages"):
        assert not can_search(target(wire=wire))
    done, body = made([{"type": "web_search"}], target(wire="responses"))
    assert "tools" not in body
    assert ("search_absent", "tools[web_search]") in codes(done)
    assert done.search == "off"


@pytest.mark.req(147)
def test_a_row_on_another_wire_searches_on_the_one_that_can() -> None:
    usual = target()
    row = msgspec.structs.replace(usual.provider, wire="responses")
    moved = msgspec.structs.replace(usual, provider=row)
    assert can_search(moved)
    done, body = made([{"type": "web_search"}], moved)
    assert (done.wire, body["tools"][0]["type"]) == ("chat", "web_search")
    plain, _ = made([F], moved)
    assert plain.wire == "responses"


@pytest.mark.case("G11")
@pytest.mark.req(147)
def test_switched_off_nothing_is_sent_to_a_vendor_that_could() -> None:
    done, body = made([F, {"type": "web_search"}], search="off")
    assert [tool["type"] for tool in body["tools"]] == ["function"]
    assert ("search_absent", "tools[web_search]") in codes(done)
    assert "web_search" not in json.dumps(body)


# Zhipu


@pytest.mark.case("G04")
@pytest.mark.req(147)
def test_zhipu_gets_the_nested_tool() -> None:
    zhipu = target("zhipu:glm-5.2", key="id.secret")
    search = {"type": "web_search", "search_context_size": "high", "filters": {"allowed_domains": ["a.org"]}}
    done, body = made([search, F], zhipu)
    assert body["tools"][0] == {
        "type": "web_search",
        "web_search": {
            "enable": True,
            "search_engine": "search_pro",
            "count": 10,
            "content_size": "high",
            "result_sequence": "before",
            "search_domain_filter": "a.org",
            "search_result": True,
        },
    }
    assert done.search == "native"


def test_zhipus_own_options_are_kept_and_the_rest_is_noted() -> None:
    zhipu = target("zhipu:glm-5.2", key="id.secret")
    mine = {"search_engine": "search_pro_sogou", "count": 3, "search_recency_filter": "oneDay", "search_result": False}
    _, body = made([{"type": "web_search", "web_search": mine}], zhipu, wire="chat")
    sent = body["tools"][0]["web_search"]
    assert sent == {**sent, **mine, "search_result": True}
    wide = {"type": "web_search", "filters": {"allowed_domains": ["a.org", "b.org"]}, "user_location": PARIS}
    done, body = made([wide], zhipu, tool_choice={"type": "web_search"})
    assert "search_domain_filter" not in body["tools"][0]["web_search"]
    assert body["tools"][0]["web_search"]["require_search"] is True
    assert {("param_dropped", "tools[web_search].allowed_domains"),
            ("param_dropped", "tools[web_search].user_location")} <= set(codes(done))  # fmt: skip


def test_zhipus_coding_plan_has_no_search() -> None:
    plain = target("zhipu:glm-5.2", key="id.secret")
    assert can_search(plain)
    row = msgspec.structs.replace(
        plain.provider, urls={"chat": "https://api.z.ai/api/coding/paas/v4/chat/completions"}, paths={}, wire="chat"
    )
    assert not can_search(msgspec.structs.replace(plain, provider=row))


# Everybody else


@pytest.mark.req(147)
def test_a_vendor_without_a_search_gets_the_managed_function() -> None:
    to = target("deepseek:deepseek-v4-pro")
    assert not can_search(to)
    done, body = made([{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}], to,
                      search="managed", wire="messages", tool_choice={"type": "tool", "name": "web_search"})  # fmt: skip
    assert [tool["function"]["name"] for tool in body["tools"]] == ["web_search"]
    assert (done.search, done.wish.max_uses if done.wish else None) == ("managed", 3)
    assert done.stages()
    nothing, _ = made([F], to, search="managed")
    assert (nothing.search, nothing.wish) == ("off", None)


@pytest.mark.case("G10")
@pytest.mark.req(147)
def test_three_policies_where_nothing_can_run_a_search() -> None:
    to = target("deepseek:deepseek-v4-pro")
    with pytest.raises(InvalidRequest):
        made([{"type": "web_search"}], to, search="fail")
    done, body = made([{"type": "web_search"}], to, search="off")
    assert "tools" not in body and ("search_absent", "tools[web_search]") in codes(done)
    done, body = made([{"type": "web_search"}], to, search="client")
    assert body["tools"][0]["function"]["name"] == "web_search"


@pytest.mark.req(147)
def test_declarations_change_their_protocol_with_the_upstream() -> None:
    to_openai = target("openai:gpt-5.5")
    tool = {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.org"],
            "user_location": {**PARIS, "timezone": "Europe/Paris"}}  # fmt: skip
    choice = {"type": "tool", "name": "web_search"}
    _, body = made([tool], to_openai, search="off", wire="messages", tool_choice=choice)
    assert body["tools"] == [
        {
            "type": "web_search",
            "filters": {"allowed_domains": ["a.org"]},
            "user_location": {**PARIS, "timezone": "Europe/Paris"},
        }
    ]
    assert body["tool_choice"] == {"type": "web_search"}
    assert body["include"][0] == "web_search_call.action.sources"
    to_claude = target("anthropic:claude-sonnet-4-5")
    flat = {"type": "web_search", "search_context_size": "low", "filters": {"allowed_domains": ["a.org"]}}
    _, body = made([flat], to_claude, search="off", tool_choice={"type": "web_search"})
    assert body["tools"] == [{"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.org"]}]
    assert body["tool_choice"] == {"type": "tool", "name": "web_search"}


@pytest.mark.req(147)
@pytest.mark.parametrize(
    ("to", "wire", "tool", "lost"),
    [
        ("openai:gpt-5.5", "messages", {"type": "web_search_20250305", "name": "web_search", "max_uses": 3,
         "blocked_domains": ["a.org"], "user_location": PARIS},
         ["web_search_20250305].blocked_domains", "web_search_20250305].max_uses"]),
        ("anthropic:claude-sonnet-4-5", "responses", {"type": "web_search", "search_context_size": "low"},
         ["web_search].search_context_size"]),
        ("anthropic:claude-sonnet-4-5", "chat", {"type": "web_search", "allowed_domains": ["a.org"],
         "blocked_domains": ["b.org"], "limit": 3},
         ["web_search].limit", "web_search].blocked_domains"]),
        ("openai:gpt-5.5", "responses", {"type": "web_search", "search_context_size": "low"}, []),
    ],
)  # fmt: skip
def test_what_another_protocols_declaration_has_no_word_for_is_noted(
    to: str, wire: str, tool: dict[str, Any], lost: list[str]
) -> None:
    done, _ = made([tool], target(to), search="off", wire=wire)
    assert [field for code, field in codes(done) if code == "param_dropped"] == [f"tools[{field}" for field in lost]


def test_a_body_with_a_search_that_the_vendor_does_not_know_is_not_passed_through() -> None:
    usual = target()
    row = msgspec.structs.replace(usual.provider, native=("chat",))
    lane = msgspec.structs.replace(usual, provider=row)
    body = {"model": "x", "messages": [{"role": "user", "content": "hi"}]}
    searching = {**body, "tools": [{"type": "web_search"}]}
    for asked, passes in ((body, True), (searching, False)):
        request, _ = chat_completions.decode_request(json.dumps(asked).encode())
        assert choose_wire(request, lane)[1] is passes


@pytest.mark.req(79, 147)
def test_a_body_that_holds_a_search_of_ours_is_not_passed_through() -> None:
    page = {"type": "web_search_result", "url": "https://a.org", "title": "A", "encrypted_content": "EqgfCio"}
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}

    def lane(encrypted: str, index: str) -> bool:
        result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
                  "content": [{**page, "encrypted_content": encrypted}]}  # fmt: skip
        cited = {
            "type": "web_search_result_location",
            "url": "u",
            "title": "t",
            "cited_text": "",
            "encrypted_index": index,
        }
        said = [use, result, {"type": "text", "text": "x", "citations": [cited]}]
        turns = [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": said},
            {"role": "user", "content": "q"},
        ]
        body = {"model": "x", "max_tokens": 9, "messages": turns}
        request, _ = messages.decode_request(json.dumps(body).encode())
        return choose_wire(request, target("anthropic:claude-sonnet-5-5"))[1]

    assert lane("EqgfCio", "Eo8B")
    assert not lane("dgs1.e30", "Eo8B")
    assert not lane("EqgfCio", "dgs1.e30")
