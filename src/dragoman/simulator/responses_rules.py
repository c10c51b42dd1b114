"""The Responses protocol as its vendors share it: what a request may hold, and what it asks.

Body in, `Ask` out, or `Rejected`. What one vendor takes - fields, items, parts, tools - is a `ResponsesStyle`, a table
in that vendor's file. Items are read by `responses_turns`, kept answers are served by `responses_kept`. The rule that
reasoning comes back needs memory and stands in `memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from dragoman.simulator.ask import CUSTOM_SCHEMA, Ask, Offered, Rejected, Said
from dragoman.simulator.fields import Rule, record
from dragoman.simulator.responses_kept import extra as extra
from dragoman.simulator.responses_turns import ItemRules, ReasoningForm, Turns
from dragoman.simulator.vendor import Account, ModelCard, Vendor

WORDS = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""How an end shows, where a vendor says nothing else."""


class Asked(msgspec.Struct, frozen=True):
    """What the answer must know of the request: the body, the items it goes on from, and who keeps the answer."""

    body: dict[str, Any]
    before: tuple[Any, ...]
    account: Account


def read(body: dict[str, Any], vendor: Vendor, card: ModelCard, account: Account) -> Ask:
    """The request, checked by the vendor's rules."""
    assert vendor.responses is not None
    return vendor.responses.read(body, card, account)


@dataclass(frozen=True, eq=False)
class ResponsesStyle:
    """What one vendor takes and how it answers.

    owner: whose seals are opened. fields: the table of the request for a model. items: rules of input items by their
    type. messages: rules of message items by their role. required: fields without which nothing goes. forced: sampling
    fields that thinking overrides. searches: tool types that are a search of the server. alone: an image without text
    is taken. thinks: thinking is on where nothing is said of it. offs: the efforts that switch it off. json_word: a
    JSON object is given only where JSON is spoken of. check: a further rule on the whole body. keeps: there are kept
    answers and `previous_response_id`. stores: answers are kept where `store` says nothing.

    words: how an end shows, by the name of its fault: the reason of an incomplete answer, `failed`, `break` (the
    connection closes) or "" (completed). echo: request fields that the response object repeats, with what stands there
    by default. logprobs: text carries an empty list of them. cache_writes: usage tells what was written to the
    cache. total: usage tells the sum. text: the answer's text stands in the response object, too. done: the stream ends
    with `[DONE]`. error: the record of an error in mid-stream. failed: code and message of answers that failed, by
    fault, where they are not the protocol's own.
    """

    owner: str
    fields: Callable[[ModelCard], Mapping[str, Rule]]
    items: Mapping[str, Rule]
    messages: Mapping[str, Rule]
    error: bytes
    required: tuple[str, ...] = ("model", "input")
    forced: tuple[tuple[str, float], ...] = ()
    reasoning: ReasoningForm = "text"
    searches: tuple[str, ...] = ()
    alone: bool = False
    thinks: bool = True
    offs: tuple[str, ...] = ("none",)
    json_word: bool = True
    check: Callable[[dict[str, Any]], None] | None = None
    keeps: bool = False
    stores: bool = False
    words: Mapping[str, str] = field(default_factory=lambda: dict(WORDS))
    echo: tuple[tuple[str, Any], ...] = ()
    logprobs: bool = False
    cache_writes: bool = False
    total: bool = True
    text: bool = False
    done: bool = False
    failed: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def read(self, body: dict[str, Any], card: ModelCard, account: Account) -> Ask:
        """The request, checked. Raises Rejected."""
        _table(self, card)(body, "")
        if self.check is not None:
            self.check(body)
        rules = ItemRules(self.owner, self.items, self.messages, self.reasoning, self.alone)
        reader = Turns(rules, card, account)
        before = self._before(body, account)
        said = reader.conversation(_items(body), before)
        offered, searching = _offered([*(body.get("tools") or []), *reader.tools], self)
        system = [body.get("instructions") or "", *(s.text for s in said if s.role in ("system", "developer"))]
        form = (body.get("text") or {}).get("format") or {}
        if form.get("type") == "json_schema":
            # The scripted model reads the schema that it must fill where a prompt would hold it.
            system.append(msgspec.json.encode(form["schema"]).decode())
        thinking = self._thinking(body, card)
        forced = [(f, str(body[f])) for f, value in self.forced if thinking and f in body and body[f] != value]
        return Ask(
            "responses",
            card.id,
            said,
            system="\n".join(text for text in system if text),
            tools=() if body.get("tool_choice") == "none" else offered,
            stream=bool(body.get("stream")),
            thinking=thinking,
            json=_wants_json(body, system, said, self.json_word),
            limit=body.get("max_output_tokens") or card.default_output,
            search=searching,
            ignored=(*forced, *self._unheeded(body, card)),
            tolerated=tuple(reader.tolerated),
            prompt=msgspec.json.encode([body.get("tools"), body.get("instructions"), before, body.get("input")]),
            extra=Asked(body, (*before, *_items(body)), account),
        )

    def _before(self, body: dict[str, Any], account: Account) -> list[Any]:
        """The items of the kept answer that this request goes on from."""
        known = body.get("previous_response_id")
        if known is None:
            return []
        kept = account.stored.get(known)
        if kept is None:
            told = f"Previous response with id '{known}' not found."
            raise Rejected("previous_response_not_found", "previous_response_id", told)
        return list(kept.items)

    def _thinking(self, body: dict[str, Any], card: ModelCard) -> bool:
        effort = (body.get("reasoning") or {}).get("effort")
        if card.thinking in ("none", "forced"):
            return card.thinking == "forced"
        return self.thinks if effort is None else effort not in self.offs

    def _unheeded(self, body: dict[str, Any], card: ModelCard) -> list[tuple[str, str]]:
        """An off that a model which always thinks takes and does not heed."""
        effort = (body.get("reasoning") or {}).get("effort")
        return [("reasoning.effort", effort)] if card.thinking == "forced" and effort in self.offs else []


def _items(body: dict[str, Any]) -> list[Any]:
    given = body.get("input", [])
    return [{"role": "user", "content": given}] if isinstance(given, str) else given or []


@lru_cache
def _table(style: ResponsesStyle, card: ModelCard) -> Rule:
    return record(style.fields(card), style.required)


def _wants_json(body: dict[str, Any], system: list[str], said: tuple[Said, ...], word: bool) -> bool:
    form = (body.get("text") or {}).get("format") or {}
    kind = form.get("type", "text")
    everything = "\n".join([*system, *(s.text for s in said)])
    if word and kind == "json_object" and "json" not in everything.lower():
        raise Rejected("json_word", "text.format", "'input' must contain the word 'json' in some form")
    return kind in ("json_object", "json_schema")


def _offered(tools: list[dict[str, Any]], style: ResponsesStyle) -> tuple[tuple[Offered, ...], bool]:
    """The tools that the client runs, those of a namespace as `namespace.name`, and whether the server may search."""
    out: dict[str, Offered] = {}
    searching = False
    for tool in tools:
        if tool["type"] in style.searches:
            searching = True
        inner = tool["tools"] if tool["type"] == "namespace" else [tool]
        prefix = f"{tool['name']}." if tool["type"] == "namespace" else ""
        for one in inner:
            if one["type"] not in ("function", "custom"):
                continue
            name = prefix + one["name"]
            if name in out:
                raise Rejected("tool_twice", "tools", f"tools contains duplicate names: {name}")
            custom = one["type"] == "custom"
            schema = CUSTOM_SCHEMA if custom else one.get("parameters") or {}
            out[name] = Offered(name, one.get("description") or "", schema, one["type"])
    return tuple(out.values()), searching
