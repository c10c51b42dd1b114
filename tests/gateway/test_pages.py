"""Models, counts, stored responses, health, and what is served nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman.gateway.app import Gateway
from tests.gateway.asgi import ROADS, Call, answered, chat, make

ANTHROPIC = {"anthropic-version": "2023-06-01"}
CONFIG = '[aliases]\nfast = "xiaomi:mimo-v2.6-flash"\n"gpt-*" = "xiaomi:*"\n"*" = "xiaomi:*"\n'


async def get(app: Gateway, path: str, method: str = "GET", **headers: str) -> Call:
    return await Call(app, path, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()}).run()


@pytest.mark.req(104)
@pytest.mark.case("J03")
@pytest.mark.parametrize("path", ["/v1/models", "/models"])
async def test_models(tmp_path: Path, path: str) -> None:
    call = await get(make(tmp_path, CONFIG), path)
    assert call.status == 200
    assert call.json["object"] == "list"
    ids = [m["id"] for m in call.json["data"]]
    assert ids[0] == "fast"
    assert "xiaomi:mimo-v2.6-pro" in ids
    assert not [i for i in ids if "*" in i]
    assert {i.partition(":")[0] for i in ids[1:]} == {"xiaomi"}
    assert len(ids) == len(set(ids))
    assert all({"id", "object", "created", "owned_by"} <= set(m) for m in call.json["data"])
    assert "xiaomi:mimo-v2.5-pro" not in ids, "it is retired"
    assert "xiaomi:mimo-v2.5-tts" not in ids, "it writes no text"
    flash = call.json["data"][ids.index("xiaomi:mimo-v2.6-flash")]
    assert (flash["context_window"], flash["max_output_tokens"]) == (1048576, 131072)
    assert flash["input_modalities"] == ["text", "audio", "image", "video"]
    assert flash["output_modalities"] == ["text"]
    assert flash["reasoning_levels"] == ["none", "medium"]
    assert (flash["price"]["currency"], flash["price"]["per_tokens"], flash["price"]["input"]) == (
        "USD",
        1_000_000,
        "0.14",
    )
    assert {k: v for k, v in call.json["data"][0].items() if k != "id"} == {k: v for k, v in flash.items() if k != "id"}


@pytest.mark.case("J03")
@pytest.mark.parametrize(
    ("status", "there", "not_there"),
    [
        ("retired", "xiaomi:mimo-v2.5-pro", "xiaomi:mimo-v2.6-pro"),
        ("all", "xiaomi:mimo-v2.5-tts", "deepseek:deepseek-flash"),
        ("current", "xiaomi:mimo-v2.6-pro", "fast"),
    ],
)
async def test_models_that_are_hidden_can_be_asked_for(tmp_path: Path, status: str, there: str, not_there: str) -> None:
    app = make(tmp_path, CONFIG)
    shown = {m["id"]: m for m in (await get(app, f"/v1/models?status={status}")).json["data"]}
    assert there in shown
    assert not_there not in shown
    if status == "retired":
        assert (shown[there]["successor"], shown[there]["retire_date"]) == ("mimo-v2.6-pro", "2026-10-21")
    refused = await get(app, "/v1/models?status=old")
    assert (refused.status, refused.error["param"]) == (400, "status")


@pytest.mark.case("J03")
async def test_unknown_facts_are_left_out_of_the_list(tmp_path: Path) -> None:
    config = '[providers.home]\nbase_url = "http://127.0.0.1:1"\n[aliases]\nmine = "home:what"\n'
    call = await get(make(tmp_path, '[aliases]\nmine = "xiaomi:what"\n'), "/v1/models")
    assert set(call.json["data"][0]) == {"id", "object", "created", "owned_by"}
    (tmp_path / "models.toml").write_text('[[model]]\nprovider = "home"\nid = "q"\ncontext = 9\n')
    shown = {m["id"]: m for m in (await get(make(tmp_path, config), "/v1/models")).json["data"]}
    assert shown["home:q"]["context_window"] == 9
    assert not {"price", "max_output_tokens"} & set(shown["home:q"])
    assert set(shown["mine"]) == {"id", "object", "created", "owned_by"}


@pytest.mark.req(104)
@pytest.mark.case("J03")
@pytest.mark.parametrize("path", ["/v1/models?client_version=0.169.0", "/models?client_version=1"])
async def test_models_in_the_shape_of_codex(tmp_path: Path, path: str) -> None:
    env = dict.fromkeys(("DEEPSEEK_API_KEY", "MINIMAX_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"), "k")
    call = await get(make(tmp_path, CONFIG, env), path)
    assert set(call.json) == {"models"}
    by_slug = {m["slug"]: m for m in call.json["models"]}
    assert next(iter(by_slug)) == "fast"
    assert not [slug for slug in by_slug if "*" in slug]
    for place, model in enumerate(call.json["models"], 1):
        assert set(model) >= CODEX_NEEDS
        assert model["priority"] == place
        assert model["base_instructions"].strip()
        assert model["truncation_policy"]["mode"] in ("bytes", "tokens")
        assert set(model["input_modalities"]) <= {"text", "image"}
        levels = [level["effort"] for level in model["supported_reasoning_levels"]]
        assert set(levels) <= {"none", "minimal", "low", "medium", "high", "xhigh"}, "Codex refuses the whole list"
        assert model["default_reasoning_level"] in (levels or [None])
        assert all(level["description"] for level in model["supported_reasoning_levels"])
    assert by_slug["xiaomi:mimo-v2.6-pro"]["context_window"] == 1048576
    assert by_slug["xiaomi:mimo-v2.6-pro"]["input_modalities"] == ["text", "image"]
    assert "xhigh" in [v["effort"] for v in by_slug["deepseek:deepseek-flash"]["supported_reasoning_levels"]]
    assert by_slug["minimax:MiniMax-M2.7"]["supported_reasoning_levels"] == []


CODEX_NEEDS = {
    "slug", "display_name", "supported_reasoning_levels", "shell_type", "visibility", "supported_in_api", "priority",
    "base_instructions", "supports_reasoning_summaries", "support_verbosity", "truncation_policy",
    "supports_parallel_tool_calls", "context_window", "experimental_supported_tools", "upgrade", "default_verbosity",
    "apply_patch_tool_type",
}  # fmt: skip
"""Fields without a default in one or another version of Codex: without one of them it drops the whole list."""


@pytest.mark.case("J03")
async def test_models_in_anthropics_shape_come_in_pages(tmp_path: Path) -> None:
    app = make(tmp_path, CONFIG)

    async def page(query: str) -> Any:
        return (await get(app, f"/v1/models?{query}", anthropic_version="2023-06-01")).json

    everything = [m["id"] for m in (await page("x=1"))["data"]]
    first = await page("limit=2")
    assert ([m["id"] for m in first["data"]], first["has_more"]) == (everything[:2], True)
    rest = await page(f"limit=1000&after_id={first['last_id']}")
    assert ([m["id"] for m in rest["data"]], rest["has_more"]) == (everything[2:], False)
    before = await page(f"limit=1&before_id={everything[2]}")
    assert ([m["id"] for m in before["data"]], before["has_more"]) == (everything[1:2], True)
    for query in ("limit=0", "limit=x", "after_id=nobody"):
        assert (await page(query))["error"]["type"] == "invalid_request_error"
    first = (await page("limit=2"))["data"][1]
    assert (first["max_input_tokens"], first["max_tokens"]) == (1048576, 131072)


@pytest.mark.case("J03")
async def test_models_in_anthropics_shape(tmp_path: Path) -> None:
    call = await get(make(tmp_path, CONFIG), "/v1/models", anthropic_version="2023-06-01")
    data = call.json["data"]
    assert call.json["has_more"] is False
    assert (call.json["first_id"], call.json["last_id"]) == (data[0]["id"], data[-1]["id"])
    assert all(m["type"] == "model" and m["display_name"] and m["created_at"].endswith("Z") for m in data)


@pytest.mark.parametrize("name", ["fast", "xiaomi:mimo-v2.6-pro", "xiaomi/mimo-v2.6-pro", "mimo-v2.6-pro", "gpt-9"])
async def test_one_model(tmp_path: Path, name: str) -> None:
    app = make(tmp_path, CONFIG)
    assert (await get(app, f"/v1/models/{name}")).json["id"] == name
    assert (await get(app, f"/v1/models/{name}", anthropic_version="2023-06-01")).json["type"] == "model"


async def test_a_retired_model_says_so_when_it_is_asked_for(tmp_path: Path) -> None:
    one = (await get(make(tmp_path), "/v1/models/mimo-v2-flash")).json
    assert (one["id"], one["status"], one["successor"]) == ("mimo-v2-flash", "retired", "mimo-v2.6-flash")


@pytest.mark.parametrize("name", ["no-such-model", "deepseek:deepseek-chat"])
async def test_a_model_that_is_not_served_is_a_404(tmp_path: Path, name: str) -> None:
    call = await get(make(tmp_path), f"/v1/models/{name}")
    assert (call.status, call.error["code"]) == (404, "model_not_found")


@pytest.mark.req(104, 149)
@pytest.mark.parametrize("path", ["/v1/messages/count_tokens?beta=true", "/messages/count_tokens"])
async def test_token_counts_say_that_they_are_estimates(tmp_path: Path, path: str) -> None:
    app = make(tmp_path)
    body = {"model": "xiaomi/m", "messages": [{"role": "user", "content": "hello " * 100}]}
    call = await Call(app, path, body).run()
    assert call.headers["x-dragoman-estimate"] == "true"
    assert 100 <= call.json["input_tokens"] <= 300
    longer = {**body, "tools": [{"name": "f", "description": "d" * 400, "input_schema": {"type": "object"}}]}
    assert (await Call(app, path, longer).run()).json["input_tokens"] > call.json["input_tokens"] + 80


@pytest.mark.req(149)
async def test_counts_are_corrected_by_what_vendors_counted(tmp_path: Path) -> None:
    app = make(tmp_path)
    asked = {"messages": [{"role": "user", "content": "hello " * 400}]}
    before = (await Call(app, "/v1/messages/count_tokens", {"model": "xiaomi/m", **asked}).run()).json["input_tokens"]
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":1}}\n\n' % (before * 3 // 2)
    await answered(app, "chat", usage + chat("x"), **asked)
    after = (await Call(app, "/v1/messages/count_tokens", {"model": "xiaomi/m", **asked}).run()).json["input_tokens"]
    assert after == pytest.approx(before * 1.5, rel=0.02)


async def test_responses_token_count(tmp_path: Path) -> None:
    call = await Call(make(tmp_path), "/v1/responses/input_tokens", {"model": "xiaomi/m", "input": "hi"}).run()
    assert call.json["object"] == "response.input_tokens"
    assert call.json["input_tokens"] >= 1


@pytest.mark.parametrize(
    "body",
    [b"{", {"model": "xiaomi/m"}, {"messages": []}, {"model": "nope", "messages": [{"role": "user", "content": "x"}]}],
)
async def test_a_bad_count_is_a_4xx_in_shape(tmp_path: Path, body: Any) -> None:
    call = await Call(make(tmp_path), "/v1/messages/count_tokens", body).run()
    assert call.status in (400, 404)
    assert call.json["type"] == "error"


# -- stored responses


async def stored(app: Gateway, **more: Any) -> str:
    call = await answered(app, "responses", chat("Hello"), **more)
    return str(call.events[-1]["response"]["id"])


@pytest.mark.req(110)
@pytest.mark.case("J10")
@pytest.mark.parametrize("prefix", ["/v1", ""])
async def test_a_stored_response_can_be_read_and_forgotten(tmp_path: Path, prefix: str) -> None:
    app = make(tmp_path)
    id = await stored(app)
    call = await get(app, f"{prefix}/responses/{id}")
    assert (call.json["id"], call.json["status"], call.json["model"]) == (id, "completed", "xiaomi/m")
    assert call.json["output"][0]["content"][0]["text"] == "Hello"
    call = await get(app, f"{prefix}/responses/{id}", "DELETE")
    assert call.json == {"id": id, "object": "response", "deleted": True}
    for method in ("GET", "DELETE"):
        gone = await get(app, f"{prefix}/responses/{id}", method)
        assert (gone.status, gone.error["param"]) == (404, "response_id")


async def test_input_items_are_paged(tmp_path: Path) -> None:
    app = make(tmp_path)
    items = [{"role": "user", "content": f"u{i}"} for i in range(5)]
    items.append({"type": "message", "role": "assistant", "content": "said"})  # type: ignore[dict-item]
    id = await stored(app, input=items)
    page = (await get(app, f"/v1/responses/{id}/input_items?limit=4&order=asc")).json
    assert [i["content"][0]["text"] for i in page["data"]] == ["u0", "u1", "u2", "u3"]
    assert [i["content"][0]["type"] for i in page["data"]] == ["input_text"] * 4
    assert page["has_more"] is True
    assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
    rest = (await get(app, f"/v1/responses/{id}/input_items?order=asc&after={page['last_id']}")).json
    assert [i["content"][0]["text"] for i in rest["data"]] == ["u4", "said"]
    assert rest["has_more"] is False
    newest = (await get(app, f"/v1/responses/{id}/input_items?limit=1")).json
    assert newest["data"][0]["content"][0]["text"] == "said"


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "order=up", "after=item_none"])
async def test_a_bad_page_is_a_400(tmp_path: Path, query: str) -> None:
    app = make(tmp_path)
    call = await get(app, f"/v1/responses/{await stored(app)}/input_items?{query}")
    assert (call.status, call.error["param"]) == (400, query.partition("=")[0])


@pytest.mark.req(110)
@pytest.mark.case("I04")
async def test_stateless_mode_refuses_a_chain_and_keeps_nothing(tmp_path: Path) -> None:
    app = make(tmp_path, '[sessions]\nmode = "off"\n')
    id = await stored(app)
    assert (await get(app, f"/v1/responses/{id}")).status == 404
    call = await Call(app, "/v1/responses", {"model": "xiaomi/m", "input": "x", "previous_response_id": id}).run()
    assert (call.status, call.error["code"]) == (400, "previous_response_not_found")
    assert "off" in call.error["message"]


@pytest.mark.case("I07")
async def test_an_incomplete_response_can_be_continued_and_a_failed_one_not(tmp_path: Path) -> None:
    app = make(tmp_path, "[retry]\nattempts = 1\n")
    cut = await answered(app, "responses", chat("half", finish="length"))
    id = cut.events[-1]["response"]["id"]
    call = await answered(app, "responses", chat("rest"), previous_response_id=id)
    assert call.events[-1]["response"]["status"] == "completed"
    broken = await answered(app, "responses", chat("part", finish=None, done=False))
    id = broken.events[-1]["response"]["id"]
    assert (await get(app, f"/v1/responses/{id}")).json["status"] == "failed"
    call = await Call(app, "/v1/responses", {"model": "xiaomi/m", "input": "x", "previous_response_id": id}).run()
    assert (call.status, call.error["code"]) == (400, "previous_response_not_found")


async def test_a_chain_forks_and_breaks_where_a_link_is_deleted(tmp_path: Path) -> None:
    app = make(tmp_path)
    root = await stored(app, input="root")
    left = await stored(app, input="left", previous_response_id=root)
    right = await stored(app, input="right", previous_response_id=root)
    call = await answered(app, "responses", chat("x"), input="on", previous_response_id=right)
    assert call.status == 200
    sent = app.gate._given.exchanges[-1].call.body  # type: ignore[union-attr]
    assert b"root" in sent and b"right" in sent and b"left" not in sent
    await get(app, f"/v1/responses/{root}", "DELETE")
    call = await Call(app, "/v1/responses", {"model": "xiaomi/m", "input": "x", "previous_response_id": left}).run()
    assert call.status == 400
    assert "deleted" in call.error["message"]


# -- the rest


async def test_the_websocket_of_codex_is_told_to_post(tmp_path: Path) -> None:
    call = await get(make(tmp_path), "/v1/responses", connection="Upgrade", upgrade="websocket")
    assert (call.status, call.error["code"]) == (426, "upgrade_required")
    assert (await get(make(tmp_path), "/v1/responses")).status == 405


@pytest.mark.parametrize("path", ["/nope", "/v1/nope", "/v1", "/v1/responses/compact/x", "/v2/responses"])
async def test_an_unknown_path_is_a_404(tmp_path: Path, path: str) -> None:
    call = await get(make(tmp_path), path)
    assert (call.status, call.error["code"]) == (404, "not_found")
    assert [served for served in ROADS.values() if served not in call.error["message"]] == []
    assert (await get(make(tmp_path), path, anthropic_version="1")).json["type"] == "error"


async def test_a_base_url_with_one_version_too_many_is_told(tmp_path: Path) -> None:
    call = await Call(make(tmp_path), "/v1/v1/messages", {}).run()
    assert call.status == 404
    assert call.error["message"].endswith("the client adds /v1 by itself; leave it out of its base URL")


async def test_compact_is_not_served_yet(tmp_path: Path) -> None:
    call = await Call(make(tmp_path), "/v1/responses/compact", {}).run()
    assert call.status == 404
    assert call.error["message"]


@pytest.mark.parametrize("path", [*ROADS.values(), "/v1/models", "/v1/messages/count_tokens"])
async def test_the_wrong_method_is_a_405_in_shape(tmp_path: Path, path: str) -> None:
    call = await get(make(tmp_path), path, "PUT")
    assert call.status == 405
    assert call.error["message"].endswith("; use POST") == (path in ROADS.values())
    assert ("type" in call.json) == ("messages" in path)


@pytest.mark.parametrize("path", ["/v1/chat/completions/", "/chat/completions", "/v1/chat/completions?x=1"])
async def test_the_roads_are_found_in_every_spelling(tmp_path: Path, path: str) -> None:
    app = make(tmp_path)
    call = await Call(app, path, b"{").run()
    assert (call.status, call.error["type"]) == (400, "invalid_request_error")


@pytest.mark.req(154)
async def test_ready_only_with_a_provider(tmp_path: Path) -> None:
    assert (await get(make(tmp_path), "/readyz")).status == 200
    bare = make(tmp_path, env={"MIMO_API_KEY": ""})
    ready = await get(bare, "/readyz")
    assert (ready.status, ready.json["status"]) == (503, "no provider has a key")
    assert (await get(bare, "/healthz")).status == 200


async def test_a_defect_on_a_page_is_a_500_in_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make(tmp_path)

    def broken() -> Any:
        raise RuntimeError("secret content")

    monkeypatch.setattr(app.gate.catalogue.__class__, "all", lambda self: broken())
    call = Call(app, "/v1/models", method="GET")
    with pytest.raises(RuntimeError):
        await call.run()
    assert call.status == 500
    assert "secret" not in call.body.decode()
