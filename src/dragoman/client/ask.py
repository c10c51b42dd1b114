"""From what a person writes in Python to a canonical request.

In: messages as strings, dicts in Chat Completions form or canonical values; tools likewise; keyword options. Out: a
`Request`. Raises InvalidRequest with the path of what is wrong. Replies put back into the history are canonical
already, so reasoning and vendor state return as they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict, get_args

import msgspec
from msgspec import Raw

from dragoman.client.tools import FunctionTool, Toolbox, duplicate
from dragoman.core.fold import Reply
from dragoman.core.messages import Media, Message, Text, WireName
from dragoman.core.profile import ForeignReasoning, UnsupportedMedia
from dragoman.core.request import EFFORTS, Effort, ReasoningAsk, Request, ResponseFormat
from dragoman.core.tools import Tool, ToolChoice, ToolRef
from dragoman.errors import InvalidRequest
from dragoman.wire import chat_completions
from dragoman.wire.media import inline

MessageLike = str | Message | Reply | Mapping[str, Any]
"""A user's text, a canonical message, a whole reply, or a dict in Chat Completions form."""
ToolLike = Tool | FunctionTool | Callable[..., Any] | Mapping[str, Any]
"""A declaration, a decorated or plain function, or a dict in Chat Completions form."""

SearchSetting = Literal["off", "native", "managed", "auto"]
"""Who runs a declared web search."""


class Options(TypedDict, total=False):
    """What may be said beside model and messages. Everything that is left out is the vendor's own choice.

    tool_choice: auto, none, required, or a tool's name. effort: how hard to think, `none` not at all; thinking_budget
    in tokens. schema: a JSON Schema that the answer must fit. params: further known parameters of the Chat protocol
    (`seed`, `user`, ...). extra_body: merged deeply into the body as it is sent; it cannot reach headers. wire: how to
    speak to the provider. session: an id of the conversation, for vendors that route their cache by one.
    strict_usage: a malformed usage report fails the call. foreign_reasoning: what becomes of another model's thinking
    in the history - `drop`, or `text` of the answer that it led to; the configuration's word without it. search: who
    runs a web search that is among the tools - off, native, managed, auto; the configuration's word without it.
    media_unsupported: what becomes of media in the newest user turn that the model cannot take - `error`, or `note`,
    which puts a sentence in their place; the configuration's word without it. response_format: a word, a
    ResponseFormat, or a dict in Chat Completions form. reminder: text at the end of this one call's prompt, behind
    everything that is cached; it belongs to no message, and the next call does not hold it.
    """

    system: str
    tools: Sequence[ToolLike] | Toolbox
    tool_choice: str | ToolChoice
    parallel_tool_calls: bool
    max_output_tokens: int
    temperature: float
    top_p: float
    stop: str | Sequence[str]
    effort: Effort
    thinking_budget: int
    response_format: Literal["text", "json_object"] | ResponseFormat | Mapping[str, Any]
    schema: Mapping[str, Any]
    params: Mapping[str, Any]
    extra_body: Mapping[str, Any]
    wire: WireName
    session: str
    strict_usage: bool
    foreign_reasoning: ForeignReasoning
    search: SearchSetting
    media_unsupported: UnsupportedMedia
    reminder: str


KNOWN = frozenset(Options.__annotations__)


def build(model: str, messages: MessageLike | Iterable[MessageLike], options: Options, *, stream: bool) -> Request:
    """The request. Raises InvalidRequest."""
    unknown = sorted(set(options) - KNOWN)
    if unknown:
        raise InvalidRequest(
            f"there is no option {unknown[0]!r}; vendor fields go into extra_body or params", param=unknown[0]
        )
    if options.get("foreign_reasoning", "drop") not in get_args(ForeignReasoning):
        raise InvalidRequest("foreign_reasoning must be drop or text", param="foreign_reasoning")
    if options.get("media_unsupported", "error") not in get_args(UnsupportedMedia):
        raise InvalidRequest("media_unsupported must be error or note", param="media_unsupported")
    if options.get("search", "off") not in get_args(SearchSetting):
        raise InvalidRequest(f"search must be one of {', '.join(get_args(SearchSetting))}", param="search")
    history = read_messages(messages)
    if not history:
        raise InvalidRequest("messages is empty; say something to the model", param="messages")
    if "system" in options:
        history = (Message("system", (Text(options["system"]),)), *history)
    tools = read_tools(options.get("tools", ()))
    stop = options.get("stop", ())
    return Request(
        model=model,
        messages=history,
        stream=stream,
        tools=tools,
        tool_choice=_choice(options.get("tool_choice"), tools),
        parallel_tool_calls=options.get("parallel_tool_calls"),
        max_output_tokens=options.get("max_output_tokens"),
        temperature=options.get("temperature"),
        top_p=options.get("top_p"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        reasoning=_reasoning(options),
        response_format=_format(options),
        params={name: Raw(msgspec.json.encode(value)) for name, value in options.get("params", {}).items()},
        reminder=options.get("reminder", ""),
    )


def read_messages(messages: MessageLike | Iterable[MessageLike]) -> tuple[Message, ...]:
    """Canonical messages. A string is the user's; dicts are read as the Chat protocol's."""
    if isinstance(messages, str | Message | Reply | Mapping):
        messages = (messages,)
    out: list[Message] = []
    dicts: list[Mapping[str, Any]] = []
    for index, item in enumerate(messages):
        if isinstance(item, Mapping):
            dicts.append(item)
            continue
        out += _from_dicts(dicts)
        dicts = []
        if isinstance(item, str):
            out.append(Message("user", (Text(item),)))
        elif isinstance(item, Message):
            out.append(_checked(item, f"messages[{index}]"))
        elif isinstance(item, Reply):
            out.append(item.message)
        else:
            raise InvalidRequest(
                f"messages[{index}] is a {type(item).__name__}; give a string, a dict or a Message",
                param=f"messages[{index}]",
            )
    return (*out, *_from_dicts(dicts))


def _checked(message: Message, path: str) -> Message:
    """The message, where the data in it are base64."""
    for at, block in enumerate(message.content):
        if isinstance(block, Media) and block.data is not None:
            inline(block.data, f"{path}.content[{at}].data")
    return message


def _from_dicts(dicts: list[Mapping[str, Any]]) -> tuple[Message, ...]:
    return _read_chat("messages", dicts).messages if dicts else ()


def _read_chat(field: Literal["messages", "tools", "response_format"], items: Any) -> Request:
    """Lets the Chat codec read them: one reader for what clients send and for what a program writes."""
    body: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": "x"}], field: items}
    try:
        encoded = msgspec.json.encode(body)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{field} cannot be written as JSON: {error}", param=field) from error
    return chat_completions.decode_request(encoded)[0]


def read_tools(tools: Iterable[ToolLike] | Toolbox) -> tuple[Tool, ...]:
    """Declarations. Raises InvalidRequest when a name comes twice."""
    if isinstance(tools, Toolbox):
        return tools.declarations
    out: list[Tool] = []
    for index, item in enumerate(tools):
        if isinstance(item, Tool):
            out.append(item)
        elif isinstance(item, FunctionTool):
            out.append(item.declaration)
        elif isinstance(item, Mapping):
            out += _read_chat("tools", [item]).tools
        elif callable(item):
            out.append(FunctionTool(item).declaration)
        else:
            raise InvalidRequest(
                f"tools[{index}] is a {type(item).__name__}; give a function, a dict or a Tool", param=f"tools[{index}]"
            )
    seen: set[tuple[str | None, str]] = set()
    for made in out:
        if made.key in seen:
            raise duplicate(made.name)
        seen.add(made.key)
    return tuple(out)


def _choice(choice: str | ToolChoice | None, tools: tuple[Tool, ...]) -> ToolChoice | None:
    if choice is None or isinstance(choice, ToolChoice):
        return choice
    if choice in ("auto", "none", "required"):
        return ToolChoice(choice)  # type: ignore[arg-type]
    for item in tools:
        if item.name == choice:
            return ToolChoice("named", ToolRef(item.name, item.kind, item.namespace))
    raise InvalidRequest(
        f"tool_choice names {choice!r}, which is not among the tools; use auto, none, required or a tool's name",
        param="tool_choice",
    )


def _reasoning(options: Options) -> ReasoningAsk:
    effort, budget = options.get("effort"), options.get("thinking_budget")
    if effort is not None and effort not in EFFORTS:
        raise InvalidRequest(f"there is no effort {effort!r}; use one of {', '.join(EFFORTS)}", param="effort")
    return ReasoningAsk(asked=effort is not None or budget is not None, effort=effort, budget=budget)


def _format(options: Options) -> ResponseFormat | None:
    if "schema" in options:
        schema = Raw(msgspec.json.encode(options["schema"]))
        return ResponseFormat("json_schema", name="answer", schema=schema, strict=True)
    chosen: Any = options.get("response_format")
    if chosen is None or isinstance(chosen, ResponseFormat):
        return chosen
    if isinstance(chosen, str) and chosen in ("text", "json_object"):
        return ResponseFormat(chosen)  # type: ignore[arg-type]
    if isinstance(chosen, Mapping):
        return _read_chat("response_format", chosen).response_format
    told = repr(chosen) if isinstance(chosen, str) else f"a {type(chosen).__name__}"
    raise InvalidRequest(
        f"response_format is {told}; give text, json_object, a ResponseFormat or a dict as in Chat Completions, or a "
        "JSON Schema as `schema`",
        param="response_format",
    )
