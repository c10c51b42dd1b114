"""The upstream body by way of the canonical request: each step makes one thing of it fit for the target.

In: a request and a target. Out: the body, and what the answer needs to be undone by. Pure. What is not done as asked is
a note; what cannot be done at all is InvalidRequest.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.core.lowered_history import lower_history
from dragoman.core.lowering import lower
from dragoman.core.messages import Message, WireName
from dragoman.core.notes import Note
from dragoman.core.profile import Profile
from dragoman.core.reminder import append_reminder
from dragoman.core.replay import prepare, survey
from dragoman.core.request import Request
from dragoman.core.search import SearchMode, SearchWish
from dragoman.core.search_replay import told_again
from dragoman.core.shape import Shape, Thinking
from dragoman.core.tools import Tool, ToolChoice
from dragoman.core.tooltable import ToolTable
from dragoman.errors import InvalidRequest
from dragoman.providers.codecs import codec
from dragoman.providers.formats import shape_format
from dragoman.providers.hosted_search import losses
from dragoman.providers.marks import shape_marks
from dragoman.providers.params import Context, merge_body, output_limit, shape_params
from dragoman.providers.schemas import object_schemas, shape_schemas
from dragoman.providers.target import Target, replay_target
from dragoman.providers.thinking import Case, Decision, decide
from dragoman.providers.vendors import vendor


class Translated(msgspec.Struct, frozen=True):
    """What translating gave beside the body."""

    notes: tuple[Note, ...] = ()
    table: ToolTable = ToolTable()
    thinking: Thinking = Thinking()
    wish: SearchWish | None = None


def _nothing(client: WireName) -> InvalidRequest:
    """Of a request whose messages are all empty, or results of calls that nobody made, there is nothing to send."""
    field = "input" if client == "responses" else "messages"
    return InvalidRequest(f"{field}: holds nothing that can be sent; say something to the model", param=field)


def translate(
    request: Request, target: Target, wire: WireName, session: str, search: SearchMode, url: str
) -> tuple[bytes, Translated]:
    """The upstream body by way of the canonical request."""
    row, facts = target.provider, target.model
    profile = row.profile_on(wire)
    notes: list[Note] = []
    own = vendor(row.profile_name)
    finds = own.search_tool if own.searches(wire, url, target.key) else None
    lowered = lower(request, profile, search, finds, wire)
    notes += lowered.notes
    if profile.hosted_tools:
        notes += losses(request.tools, request.wire, wire)
    limit = output_limit(request, Context(wire, profile, facts), notes)
    tools = bool(lowered.tools) or any(told_again(message) for message in request.messages)
    # A file id means something only to the vendor that gave it: the one whose own protocol the client speaks.
    files = profile.file_ids and (target.own_files or request.wire == wire)
    aim = msgspec.structs.replace(replay_target(target, wire), tools=tools, search=search, own_files=files)
    default = target.thinking_default or row.thinking_default or profile.thinking_default
    history = survey(request.messages, aim)
    thought = decide(Case(request.reasoning, request.wire, profile, facts, history, default, limit, wire))
    notes += thought.notes
    said = own.history(request.messages, aim, notes)
    prepared = prepare(said, msgspec.structs.replace(aim, thinking=thought.active))
    notes += prepared.notes
    if not prepared.messages and not request.reminder.strip():
        raise _nothing(request.wire)
    messages = lower_history(prepared.messages, lowered.table, profile)
    format, messages = shape_format(request.response_format, messages, profile, request.wire, wire, notes)
    tools_out, format = shape_schemas(lowered.tools, format, profile.schema_refused, notes)
    tools_out = object_schemas(tools_out) if wire == "messages" else tools_out
    messages = append_reminder(_marked(messages, request, tools_out, profile, notes), request.reminder)
    if request.reminder.strip():
        notes.append(
            Note("reminder_appended", "reminder", "the prompt of this call ends in it, that of the next will not")
        )
    context = Context(wire, profile, facts, thought.active, session)
    shaped = msgspec.structs.replace(
        request,
        model=facts.id,
        messages=messages,
        tools=tools_out,
        tool_choice=_choice(lowered.choice, thought, profile, notes),
        max_output_tokens=limit,
        response_format=format,
        body=None,
        **shape_params(request, context, notes),
    )
    body = codec(wire).encode_request(shaped, Shape(facts.id, profile, thought.shape))
    more = own.extra_body(wire, facts, thought.shape)
    told = tuple(note for note in notes if not (note.code == "unknown_field" and _granted(note.field, request, more)))
    return merge_body(body, more), Translated(told, lowered.table, thought.shape, lowered.wish)


def _granted(field: str, request: Request, more: dict[str, Any]) -> bool:
    """Whether the vendor is sent just what the client asked for in a field of its own."""
    return field in more and bytes(request.extra.get(field, b"")) == msgspec.json.encode(more[field])


def _choice(choice: ToolChoice | None, thought: Decision, profile: Profile, notes: list[Note]) -> ToolChoice | None:
    """The tool choice, weakened where thinking forbids force."""
    forced = choice is not None and choice.mode in ("required", "named")
    if forced and thought.active and not profile.forced_choice_thinking:
        notes.append(Note("tool_choice_weakened", "tool_choice", "no call can be forced while the model thinks"))
        return ToolChoice()
    return choice


def _marked(
    messages: tuple[Message, ...], request: Request, tools: tuple[Tool, ...], profile: Profile, notes: list[Note]
) -> tuple[Message, ...]:
    """Cache marks where the provider takes them."""
    if profile.cache_marks:
        return shape_marks(messages, tools)
    if any(tool.cache is not None for tool in request.tools):
        notes.append(Note("cache_mark_dropped", "cache_control", "the provider takes no cache marks"))
    return messages
