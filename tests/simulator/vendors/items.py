"""What the tests of the vendors' Responses endpoints share: items, and a request read by a vendor's rules."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.vendor import Account, Vendor
from tests.simulator.conftest import Client, Got, simulated

USER = {"role": "user", "content": "hi"}
TEXT = {"type": "input_text", "text": "what?"}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
PATCHED = {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "*** Begin"}
PATCH_RESULT = {"type": "custom_tool_call_output", "call_id": "c2", "output": "ok"}
OUTPUT = {"type": "output_text", "text": "done", "annotations": []}
REPLAY = {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [OUTPUT]}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
SHELL = {
    "type": "function",
    "name": "exec_command",
    "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]},
}
PATCH = {"type": "custom", "name": "apply_patch", "description": "Edits", "format": {"type": "text"}}
GROUP = {"type": "namespace", "name": "files", "description": "Files", "tools": [TOOL]}
SEARCH = {"type": "web_search", "search_context_size": "low"}
TASK = "Run one shell command that writes the word blue into a file named sky.txt."

UNSUPPORTED: dict[str, Any] = {
    "background": True,
    "conversation": "conv_1",
    "include": ["reasoning.encrypted_content"],
    "context_management": [],
    "max_tokens": 5,
    "stop": ["x"],
    "user": "u",
    "thinking": {"type": "disabled"},
    "reasoning_effort": "low",
    "stream_options": {},
    "prompt_cache_options": {},
    "max_tool_calls": 3,
    "client_metadata": {},
    "store": True,
    "previous_response_id": "resp_1",
    "metadata": {},
    "parallel_tool_calls": True,
    "truncation": "disabled",
    "service_tier": "priority",
    "prompt_cache_key": "k",
}
"""Fields that one vendor or another does not list."""


def asked(*items: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": copy.deepcopy(list(items) or [USER]), **fields}


def said(content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": content}


def read(vendor: Vendor, model: str, body: dict[str, Any], account: Account | None = None) -> Ask:
    """The request as the vendor's rules read it."""
    card = vendor.card(model)
    assert card is not None and vendor.responses is not None
    return vendor.responses.read({**body, "model": model}, card, account or Account())


def refused(vendor: Vendor, model: str, body: dict[str, Any]) -> Rejected:
    """What the vendor has against the request."""
    with pytest.raises(Rejected) as caught:
        read(vendor, model, body)
    return caught.value


@asynccontextmanager
async def responding(profile: str, model: str = "") -> AsyncIterator[Client]:
    """A client of a vendor's Responses endpoint: `ask` posts there."""
    async with simulated(profile, model=model) as client:
        yield client


async def ask(client: Client, items: str | list[Any], **fields: Any) -> Got:
    """One request to the Responses endpoint."""
    path = next(p for p, wire in client.sim.vendor.paths.items() if wire == "responses")
    return await client.post({"model": client.model, "input": items, **fields}, path=path)


def events(got: Got) -> list[dict[str, Any]]:
    """The events of a stream, each under its own name and numbered."""
    found = [json.loads(record) for record in got.records if record != "[DONE]"]
    numbers = [event["sequence_number"] for event in found if "sequence_number" in event]
    assert numbers == list(range(len(numbers)))
    return found


async def loop(client: Client, **fields: Any) -> list[Any]:
    """A conversation with one call, its thinking, and its result."""
    answer = (await ask(client, TASK, tools=[SHELL], **fields)).json
    call = next(item for item in answer["output"] if item["type"] == "function_call")
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "ok"}
    return [{"role": "user", "content": TASK}, *answer["output"], result]


def rules(client: Client) -> list[str]:
    return [violation.rule for violation in client.sim.violations]
