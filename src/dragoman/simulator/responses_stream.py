"""A turn as a Responses answer: the documented events, each with its number, or one JSON body.

Every item is written twice, once in pieces and once whole, as the protocol wants it. A vendor's own forms (how thinking
is shown, what a broken answer looks like) come from its `ResponsesStyle`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Call
from dragoman.simulator.brain import Turn, task
from dragoman.simulator.memory import CACHE_BLOCK
from dragoman.simulator.responses_kept import Kept
from dragoman.simulator.responses_rules import Asked, ResponsesStyle
from dragoman.simulator.seals import seal
from dragoman.simulator.speech import Count, Step, StepKind, fragments
from dragoman.simulator.vendor import Vendor

PREFIX = "resp_"
"""How answer ids begin."""

FAILED: dict[str, tuple[str, str]] = {
    "failed": ("server_error", "The server had an error while processing your request."),
    "failed_rate": ("rate_limit_exceeded", "Rate limit reached. Please try again in 1.5s."),
    "failed_overflow": ("context_length_exceeded", "Your input exceeds the context window of this model."),
    "failed_quota": ("insufficient_quota", "You exceeded your current quota, please check your plan."),
}
"""Ends by `response.failed`: code and message, by fault."""

_Item = dict[str, Any]
_Event = tuple[StepKind, str, dict[str, Any]]


def error(vendor: Vendor) -> bytes:
    """What an error in mid-stream looks like."""
    return _style(vendor).error


def words(vendor: Vendor) -> Mapping[str, str]:
    """How the ends show that faults ask for."""
    return _style(vendor).words


def sign(turn: Turn, vendor: Vendor) -> str | None:
    """Reasoning items have no signature of their own; a seal holds the text itself."""
    return None


def _style(vendor: Vendor) -> ResponsesStyle:
    assert vendor.responses is not None
    return vendor.responses


def usage(spent: Count, fault: str = "", *, writes: bool = False, total: bool = True) -> dict[str, Any]:
    """The usage report. writes: with what was written to the cache, all whole blocks that did not stand there.

    total: with the sum.
    """
    if fault == "usage_bad":
        return {"input_tokens": "many", "output_tokens": [], "total_tokens": {}}
    null = fault == "usage_null"
    details = {"cached_tokens": spent.cached}
    if writes:
        details["cache_write_tokens"] = (spent.prompt - spent.cached) // CACHE_BLOCK * CACHE_BLOCK
    report = {
        "input_tokens": spent.prompt,
        "input_tokens_details": None if null else details,
        "output_tokens": spent.output,
        "output_tokens_details": None if null else {"reasoning_tokens": spent.reasoning},
    }
    return {**report, "total_tokens": spent.prompt + spent.output} if total else report


class Answer:
    """One answer: its items, and the response object around them."""

    def __init__(self, style: ResponsesStyle, ask: Ask, turn: Turn, spent: Count, answer_id: str, created: int) -> None:
        self.style = style
        self.ask = ask
        self.turn = turn
        self.end = style.words.get(turn.finish, turn.finish)
        self.reason = self.end if self.end not in ("", "failed", "break") else None
        asked: Asked = ask.extra
        self._asked = asked
        self._body = asked.body
        self._spent = spent
        self._id = answer_id
        self._created = created
        self.items = list(self._items())

    def _items(self) -> Iterable[_Item]:
        turn, number = self.turn, 0
        status = "incomplete" if self.reason else "completed"
        stem = self._id.partition("_")[2] or self._id
        last = len(turn.calls) or (1 if turn.text else 0)
        if turn.reasoning:
            yield self._reasoning(f"rs_{stem}00")
        if turn.sources:
            yield self._search(f"ws_{stem}01")
        if turn.text:
            number = 2
            done = status if last == 1 and not turn.calls else "completed"
            part = self._part()
            yield {"id": f"msg_{stem}02", "type": "message", "role": "assistant", "status": done, "content": [part]}
        for index, call in enumerate(turn.calls, number + 1):
            yield self._call(call, f"{stem}{index:02x}", status if call is turn.calls[-1] else "completed")

    def _reasoning(self, item_id: str) -> _Item:
        text = self.turn.reasoning
        if self.style.reasoning in ("text", "both"):
            part = {"type": "reasoning_text", "text": text}
            empty: _Item = {"summary": []} if self.style.reasoning == "both" else {}
            return {"id": item_id, "type": "reasoning", **empty, "content": [part]}
        asked = self._body.get("reasoning") or {}
        shown = self.style.reasoning == "summary" or asked.get("summary") is not None
        item: _Item = {
            "id": item_id,
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text}] if shown else [],
        }
        if self.style.reasoning == "sealed" and "reasoning.encrypted_content" in (self._body.get("include") or ()):
            item["encrypted_content"] = seal(text, self.style.owner)
        return item

    def _search(self, item_id: str) -> _Item:
        query = " ".join(task(self.ask.said)[0].split()[:8])
        action: dict[str, Any] = {"type": "search", "query": query, "queries": [query]}
        if "web_search_call.action.sources" in (self._body.get("include") or ()):
            action["sources"] = [{"type": "url", "url": url} for url, _ in self.turn.sources]
        return {"id": item_id, "type": "web_search_call", "status": "completed", "action": action}

    def _part(self) -> dict[str, Any]:
        if self.turn.finish == "refusal":
            return {"type": "refusal", "refusal": self.turn.text}
        part = {"type": "output_text", "text": self.turn.text, "annotations": list(self._annotations())}
        return {**part, "logprobs": []} if self.style.logprobs else part

    def _annotations(self) -> Iterable[dict[str, Any]]:
        end = len(self.turn.text)
        for url, title in self.turn.sources:
            yield {"type": "url_citation", "url": url, "title": title, "start_index": 0, "end_index": end}

    def _call(self, call: Call, stem: str, status: str) -> _Item:
        tool = next((t for t in self.ask.tools if t.name == call.name), None)
        namespace, _, name = call.name.rpartition(".") if tool is not None else ("", "", call.name)
        custom = tool is not None and tool.kind == "custom"
        item: _Item = {
            "id": f"{'ctc' if custom else 'fc'}_{stem}",
            "type": "custom_tool_call" if custom else "function_call",
            "status": status,
            "call_id": call.id,
            "name": name,
        }
        if namespace:
            item["namespace"] = namespace
        return {**item, "input": custom_input(call)} if custom else {**item, "arguments": call.arguments}

    def response(self, status: str, output: list[_Item] | None = None, **more: Any) -> dict[str, Any]:
        """The response object."""
        asked = self._body
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self.ask.model,
            **{name: asked.get(name, default) for name, default in self.style.echo},
            "output": output or [],
            "usage": None,
            **more,
        }

    def ended(self) -> dict[str, Any]:
        """The response object at the end."""
        turn = self.turn
        output = [] if turn.fault == "empty" else self.items
        form = {"writes": self.style.cache_writes, "total": self.style.total}
        report = None if turn.fault == "usage_none" else usage(self._spent, turn.fault, **form)
        if self.reason is None:
            found = self.response("completed", output, usage=report)
        else:
            found = self.response("incomplete", output, usage=report, incomplete_details={"reason": self.reason})
        if self.style.text:
            found["output_text"] = turn.text
        wanted = self._body.get("store")
        if self.style.keeps and (self.style.stores if wanted is None else wanted):
            self._asked.account.stored[self._id] = Kept(found, (*self._asked.before, *output))
        return found

    def failed(self) -> dict[str, Any]:
        """The response object of an answer that failed."""
        known = self.style.failed or FAILED
        code, message = known.get(self.turn.finish, known["failed"])
        return self.response("failed", error={"code": code, "message": message})


def custom_input(call: Call) -> str:
    """The free text of a custom tool's call."""
    try:
        found = msgspec.json.decode(call.arguments)
    except msgspec.DecodeError:
        return call.arguments
    text = found.get("input") if isinstance(found, dict) else None
    return text if isinstance(text, str) else call.arguments


def stream(ask: Ask, turn: Turn, spent: Count, answer_id: str, created: int, vendor: Vendor) -> list[Step]:
    """The records of the stream, in the documented order."""
    style = _style(vendor)
    answer = Answer(style, ask, turn, spent, answer_id, created)
    events = _said(answer)
    if answer.end in ("failed", "break"):
        events = events[: 2 + (len(events) - 2) // 2]
    if answer.end == "failed":
        events.append(("done", "response.failed", {"response": answer.failed()}))
    elif answer.end != "break":
        name = "response.incomplete" if answer.reason else "response.completed"
        events.append(("done", name, {"response": answer.ended()}))
    steps = [_step(number, *event) for number, event in enumerate(events)]
    if answer.end == "break":
        return [*steps, Step("drop", b"")]
    return [*steps, Step("done", b"data: [DONE]\n\n")] if style.done else steps


def _said(answer: Answer) -> list[_Event]:
    """All events but the last."""
    opening = answer.response("in_progress")
    events: list[_Event] = [
        ("start", "response.created", {"response": opening}),
        ("start", "response.in_progress", {"response": opening}),
    ]
    written = [(item, _written(item, index)) for index, item in enumerate(answer.items)]
    calls = [pieces for item, pieces in written if "call_id" in item]
    events += [event for item, pieces in written if "call_id" not in item for event in pieces]
    return events + (_woven(calls) if answer.turn.fault == "interleave" else [e for call in calls for e in call])


def _step(number: int, kind: StepKind, name: str, body: dict[str, Any]) -> Step:
    data = msgspec.json.encode({"type": name, "sequence_number": number, **body})
    return Step(kind, b"event: " + name.encode() + b"\ndata: " + data + b"\n\n")


def _woven(items: list[list[_Event]]) -> list[_Event]:
    """Events of the items in turn."""
    longest = max(map(len, items), default=0)
    return [item[i] for i in range(longest) for item in items if i < len(item)]


def _written(item: _Item, index: int) -> list[_Event]:
    """An item in pieces: added, what it is made of, done."""
    kind: StepKind = "text"
    match item["type"]:
        case "reasoning":
            kind, bare, inner = "reasoning", _bare_reasoning(item), _reasoning(item, index)
        case "message":
            bare, inner = {**item, "status": "in_progress", "content": []}, _message(item, index)
        case "web_search_call":
            bare, inner = {**item, "status": "in_progress"}, _search(item, index)
        case _:
            field = "input" if "input" in item else "arguments"
            kind, bare, inner = "call", {**item, "status": "in_progress", field: ""}, _call(item, index)
    return [
        (kind, "response.output_item.added", {"output_index": index, "item": bare}),
        *inner,
        ("close", "response.output_item.done", {"output_index": index, "item": item}),
    ]


def _bare_reasoning(item: _Item) -> _Item:
    """The item before anything is thought: neither text nor seal."""
    bare = {k: v for k, v in item.items() if k != "encrypted_content"}
    return bare | {k: [] for k in ("summary", "content") if k in item}


def _reasoning(item: _Item, index: int) -> list[_Event]:
    place = {"item_id": item["id"], "output_index": index}
    out: list[_Event] = []
    raw = "content" in item
    count, opened, text_of = (
        ("content_index", "response.content_part", "response.reasoning_text")
        if raw
        else ("summary_index", "response.reasoning_summary_part", "response.reasoning_summary_text")
    )
    for number, part in enumerate(item["content"] if raw else item["summary"]):
        at = {**place, count: number}
        out.append(("reasoning", f"{opened}.added", {**at, "part": {**part, "text": ""}}))
        out += [("reasoning", f"{text_of}.delta", {**at, "delta": piece}) for piece in fragments(part["text"])]
        out.append(("close", f"{text_of}.done", {**at, "text": part["text"]}))
        out.append(("close", f"{opened}.done", {**at, "part": part}))
    return out


def _message(item: _Item, index: int) -> list[_Event]:
    at = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = item["content"][0]
    field = "refusal" if part["type"] == "refusal" else "text"
    name = "response.refusal" if field == "refusal" else "response.output_text"
    logprobs: dict[str, Any] = {"logprobs": []} if "logprobs" in part else {}
    bare = {**part, field: ""} | ({"annotations": []} if "annotations" in part else {})
    out: list[_Event] = [("text", "response.content_part.added", {**at, "part": bare})]
    out += [("text", f"{name}.delta", {**at, "delta": piece, **logprobs}) for piece in fragments(part[field])]
    out += [
        ("text", f"{name}.annotation.added", {**at, "annotation_index": number, "annotation": annotation})
        for number, annotation in enumerate(part.get("annotations", ()))
    ]
    out.append(("close", f"{name}.done", {**at, field: part[field], **logprobs}))
    out.append(("close", "response.content_part.done", {**at, "part": part}))
    return out


def _search(item: _Item, index: int) -> list[_Event]:
    at = {"item_id": item["id"], "output_index": index}
    return [("text", f"response.web_search_call.{state}", at) for state in ("in_progress", "searching", "completed")]


def _call(item: _Item, index: int) -> list[_Event]:
    at = {"item_id": item["id"], "output_index": index}
    if item["type"] == "custom_tool_call":
        name, field, done = "response.custom_tool_call_input", "input", {"input": item["input"]}
    else:
        name, field = "response.function_call_arguments", "arguments"
        done = {"arguments": item["arguments"], "name": item["name"]}
    out: list[_Event] = [("call", f"{name}.delta", {**at, "delta": piece}) for piece in fragments(item[field])]
    out.append(("close", f"{name}.done", {**at, **done}))
    return out


def whole(ask: Ask, turn: Turn, spent: Count, answer_id: str, created: int, vendor: Vendor) -> bytes:
    """The answer as one JSON body. What breaks in a stream breaks here, too: half of a body has no end."""
    answer = Answer(_style(vendor), ask, turn, spent, answer_id, created)
    if answer.end == "failed":
        return msgspec.json.encode(answer.failed())
    body = msgspec.json.encode(answer.ended())
    return body[: len(body) // 2] if answer.end == "break" else body
