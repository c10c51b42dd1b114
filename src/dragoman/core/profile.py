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
    "always",  # where tools are about every assistant message carries it, "" where it is lost; without tools none does
    "kept",  # sent back where known, never required
]
ThinkingDefault = Literal["auto", "vendor", "off"]
ForeignReasoning = Literal["drop", "text"]
"""What becomes of another model's thinking in the history: it is left out, or stands in the answer as text."""
UnsupportedMedia = Literal["error", "note"]
"""What becomes of media in the newest user turn that the model cannot take: the request is refused, or a sentence
stands in their place, with a note."""
ThinkingState = Literal["on", "off", "auto", "adaptive", "forced", "none", "unknown"]
Status = Literal["current", "alias", "retired", "preview", "unknown"]


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
    custom_only: frozenset[str] = frozenset()
    """Freeform tools are taken under these names alone, outside of any namespace; others are offered as functions."""
    hosted_tools: bool = False
    """Hosted and client-executed built-in tools are passed through (native lane)."""
    max_tools: int | None = None
    """Most tools in one request; more is a 400 before the call."""
    tool_name_max: int = 64
    """Longest tool name."""
    tool_name_letter: bool = False
    """Tool names must start with a letter; others go up under another name."""
    tool_stream: bool = False
    """Chat: `tool_stream` makes the provider send arguments in pieces; without it each call comes whole."""
    schema_refused: frozenset[str] = frozenset()
    """JSON Schema keywords that the provider refuses, in tools and answer formats; left out with a note."""
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
    """Where `user` / `safety_identifier` go; None or "" is nowhere."""
    param_patterns: dict[str, str] = {}
    """Parameter -> regular expression that its text must match in full. A user id that does not is hashed, anything
    else is left out with a note."""
    forced_sampling: bool = False
    """temperature and top_p are forced by the provider while thinking: leave them out with a note."""
    thinking: ThinkingStyle = "none"
    """How thinking is switched."""
    efforts: dict[str, str] = {}
    """Asked effort -> the provider's word. A missing effort is coerced to the nearest present one."""
    thinking_fields: dict[str, str | bool] = {}
    """Chat: fields that stand beside `thinking.type` where thinking is on: they make the vendor keep the reasoning of
    earlier turns. With own reasoning in the history thinking is therefore switched on by name."""
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
    details_format: str = ""
    """Chat: `format` of details that are made of plain text; "" leaves it out."""
    cumulative_reasoning: Literal["detect", "likely", "never", "always"] = "detect"
    """Reasoning fragments may repeat all text so far. detect: two in a row that do so are believed; likely: one, where
    that text is not short; always: the first."""
    think_tags: bool = False
    """Chat: reasoning may come inline between think tags, and such goes back so. Off, literal tags pass unchanged."""
    think_names: tuple[str, ...] = ("think",)
    """Chat: names of the think tags."""
    starts_in_thinking: bool = False
    """Chat: the answer begins inside thinking, its open tag was part of the prompt."""
    think_depth: bool = False
    """Chat: open tags inside thinking are counted; else they are text and the first close tag ends the thinking."""
    think_loose: bool = False
    """Chat: letter case and a few spaces inside a think tag do not matter."""
    needs_content: bool = False
    """A blank message, a blank tool result too, or a request of system text alone, is a 400."""
    blank_text: bool = True
    """Responses, Messages: an item or block of text may hold nothing but white space; else such are left out."""
    message_names: bool = True
    """Chat: messages may carry `name`; else a user message says in its text who speaks."""
    media_urls: frozenset[MediaKind] = frozenset({"image", "video"})
    """Media that the provider fetches by their URL. A kind that is neither here nor in `media_data` is not taken."""
    media_data: frozenset[MediaKind] = frozenset({"image", "audio", "video", "document"})
    """Media that may be sent along, in base64."""
    media_types: dict[MediaKind, frozenset[str]] = {}
    """Media types that may be sent along; a kind that is not named here may be of any."""
    media_schemes: frozenset[str] = frozenset()
    """URL schemes beside http and https: addresses of files that lie at the provider."""
    file_ids: bool = False
    """Media may be named by the id that the provider's own file service gave, in the provider's own protocol."""
    media_limits: dict[MediaKind, int] = {}
    """Most bytes of one medium that is sent along."""
    text_documents: bool = False
    """Messages: a document may be plain text, with a title and citations; else it becomes a text."""
    video_options: bool = False
    """Films may carry `fps` and `media_resolution`."""
    body_limit: int = 0
    """Most bytes of a request; 0 is not known."""
    media_in_tool_results: bool = False
    """Tool results may hold images; else they move into a following user message."""
    media_needs_text: bool = False
    """A user message with only media needs a text part beside it."""
    cache_marks: bool = False
    """Messages: `cache_control` is taken."""
    signatures: bool = False
    """Messages: the vendor issues and checks thinking signatures."""
    anthropic_thinking: Literal["type", "effort", "full", "none"] = "type"
    """Messages: only thinking.type (enabled, or what `thinking` has for it, or disabled); that and output_config.effort
    in the vendor's words; or the full object with budgets, adaptive and display."""
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
    """Chat: `input_audio.data` is a URL or a data URL, and Responses: so is `audio_url`; else bare base64 beside a
    format word."""
    media_detail: bool = False
    """Images may carry the client's `detail`, and media whatever else the client said of them."""
    namespaces: bool = False
    """Responses: tools may stand in namespaces; else the namespace becomes a part of the name."""
    loose_messages: bool = False
    """Responses: an assistant's text goes back as `{role, content}`; the item form wants an id and a status there."""
    reasoning_items: Literal["raw", "text", "summary", "both"] = "raw"
    """Responses: reasoning goes back as the item that was sent; or in the fields type and id, and its text as `content`
    (text), as `summary` (summary), or as `content` beside a summary that may be empty (both)."""
    reasoning_effort: bool = True
    """Responses: `reasoning.effort` can be asked for; else the field is left out, and nothing steers thinking there."""
    reasoning_asks: frozenset[str] = frozenset()
    """Responses: what may stand in `reasoning` beside the effort (summary, context)."""
    encrypted_reasoning: bool = False
    """Responses: reasoning comes only encrypted, where it is asked for, and only what was encrypted there goes back."""
    file_names: bool = False
    """A file that is sent as data needs a name beside it."""
    on: dict[WireName, Profile] = {}
    """The whole profile on a wire where it differs; see `at`."""

    def at(self, wire: WireName) -> Profile:
        """The profile as it holds on this wire of the provider."""
        return self.on.get(wire, self)


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
    thinking: ThinkingState = "unknown"
    thinking_switchable: bool = True
    status: Status = "unknown"
    successor: str | None = None
    retire_date: str | None = None
    wires: tuple[WireName, ...] = ()
