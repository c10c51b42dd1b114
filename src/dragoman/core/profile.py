"""What a provider and a model can do: the struct that the catalogue fills and that planning and codecs read.

`Profile` is how a provider wants to be spoken to; every flag is a documented oddity, conservative by default, set in
`catalog/profiles` and overridable per provider. `ModelFacts` is what one model can do. Neither names a vendor.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dragoman.core.messages import MediaKind, WireName

ThinkingStyle = Literal[
    "none",  # no field: the model thinks or it does not
    "type",  # {"thinking": {"type": "enabled" | "disabled"}}
    "adaptive",  # {"thinking": {"type": "adaptive" | "disabled"}}
    "effort",  # {"reasoning_effort": "..."}
    "object",  # {"reasoning": {"effort": "..."}}
    "type_effort",  # thinking.type and reasoning_effort together
    "budget",  # {"thinking": {"type": "enabled", "budget_tokens": n}}
]
ReplayRule = Literal[
    "never",  # sending reasoning back is an error or pointless
    "tool_turns",  # every assistant message with tool calls must carry its reasoning while thinking is on
    "always",  # every assistant message carries it
    "kept",  # sent back where known, never required
]
ThinkingDefault = Literal["auto", "vendor", "off"]


class Range(msgspec.Struct, frozen=True):
    """An inclusive range of a sampling parameter."""

    low: float
    high: float


class Profile(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How one provider wants to be spoken to. The defaults suit a plain OpenAI-compatible Chat server."""

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Chat: the name of the output limit. Older servers know only `max_tokens`."""
    system_role: Literal["system", "developer"] = "system"
    """Chat: the role under which system text goes. `developer` only where the vendor documents it."""
    merge_system: bool = True
    """All system text becomes one message at the front when True; else it keeps its place, in the system role."""
    null_content: bool = False
    """Chat: `content: null` may stand beside tool calls. Several vendors answer 400 to null; "" is always taken."""
    content_parts: bool = False
    """Chat: text-only user content may be a list of parts. A string is understood everywhere."""
    stream_usage: bool = True
    """Chat: `stream_options.include_usage` is sent with streams."""
    tool_choices: frozenset[str] = frozenset({"auto", "none", "required", "named"})
    """The tool choices that the provider takes. What it lacks becomes `auto` with a note."""
    send_auto_choice: bool = True
    """Send `tool_choice: auto` when there are tools; False where an explicit auto is refused."""
    parallel_tool_calls: bool = False
    """The provider takes `parallel_tool_calls` (Messages: `disable_parallel_tool_use`)."""
    strict_tools: bool = False
    """The provider takes `strict` on function tools."""
    custom_tools: bool = False
    """The provider takes freeform tools with a grammar."""
    hosted_tools: bool = False
    """Hosted and client-executed built-in tools are passed through (native lane)."""
    max_tools: int | None = None
    """Most tools in one request; more is a 400 before the call."""
    tool_name_max: int = 64
    """Longest tool name."""
    tool_id_pattern: str | None = None
    """Regular expression that tool-call ids must match in full; others are mapped."""
    tool_id_max: int = 0
    """Longest tool-call id; 0 is no limit."""
    response_formats: frozenset[str] = frozenset({"text", "json_object"})
    """Formats the provider takes; `json_schema` degrades to `json_object` with an instruction."""
    json_word: bool = True
    """json_object wants the word JSON in the prompt."""
    params: frozenset[str] = frozenset(
        {"temperature", "top_p", "stop", "frequency_penalty", "presence_penalty", "seed"}
    )
    """Parameters that the provider documents. Everything else is dropped with a note: unknown fields can be a 400."""
    temperature: Range = Range(0.0, 2.0)
    """Accepted range; values outside are clamped with a note."""
    top_p: Range = Range(0.0, 1.0)
    """Accepted range; values outside are clamped with a note."""
    stop_max: int = 4
    """Most stop sequences."""
    user_field: str | None = None
    """Where `user` / `safety_identifier` go, if anywhere."""
    forced_sampling: bool = False
    """temperature and top_p are forced by the provider while thinking: leave them out with a note."""
    thinking: ThinkingStyle = "none"
    """How thinking is switched."""
    efforts: dict[str, str] = {}
    """Asked effort -> the provider's word. A missing effort is coerced to the nearest present one."""
    thinking_default: ThinkingDefault = "vendor"
    """What an unset reasoning means. auto: off on Responses, the vendor's default elsewhere; off; vendor: no field."""
    reasoning_field: Literal["reasoning_content", "reasoning", "reasoning_details", "none"] = "reasoning_content"
    """Chat: the field of an assistant message that carries reasoning back."""
    replay: ReplayRule = "kept"
    """When reasoning must be sent back."""
    replay_only_thinking: bool = True
    """Reasoning goes back only while thinking is on (a server with thinking off may refuse or ignore it)."""
    reasoning_details: bool = False
    """Raw `reasoning_details` are kept and sent back in the form received."""
    cumulative_reasoning: Literal["detect", "never", "always"] = "detect"
    """Reasoning fragments may repeat all text so far."""
    think_tags: bool = False
    """Reasoning may come inline between think tags."""
    media_in_tool_results: bool = False
    """Tool results may hold images; else they move into a following user message."""
    media_needs_text: bool = False
    """A user message with only media needs a text part beside it."""
    cache_marks: bool = False
    """Messages: `cache_control` is taken."""
    signatures: bool = False
    """Messages: the vendor issues and checks thinking signatures."""
    anthropic_thinking: Literal["type", "full", "none"] = "type"
    """Messages: only thinking.type enabled|disabled, or the full object with budgets, adaptive and display."""
    alternate_roles: bool = False
    """User and assistant messages must alternate strictly."""
    extra_passthrough: bool = False
    """Unknown request fields are passed on."""
    documents_in_tool_results: bool = False
    """Messages: tool results may hold documents; else a document becomes its text, or a note."""
    tool_result_names: bool = False
    """Tool results name the function that was called; else results carry only the call's id."""
    max_tokens_required: bool = False
    """The output limit is not optional; where the client asked for none, the model's largest is sent."""
    forced_choice_thinking: bool = True
    """A forced tool choice may stand beside thinking; else it is sent as auto with a note while the model thinks."""
    audio_data_url: bool = False
    """Chat: `input_audio.data` is a URL or a data URL; else bare base64 beside a format word."""


class ModelFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one model can do. None is unknown.

    context, max_output, default_max_output: tokens. inputs: media kinds beside text. thinking: the model's own
    default - on, off, forced (cannot be switched), none. family: models that may share opaque reasoning.
    """

    id: str
    provider: str
    family: str = ""
    context: int | None = None
    max_output: int | None = None
    default_max_output: int | None = None
    inputs: frozenset[MediaKind] = frozenset()
    thinking: Literal["on", "off", "auto", "adaptive", "forced", "none", "unknown"] = "unknown"
    thinking_switchable: bool = True
    status: Literal["current", "alias", "retired", "preview", "unknown"] = "unknown"
    successor: str | None = None
    retire_date: str | None = None
    wires: tuple[WireName, ...] = ()
