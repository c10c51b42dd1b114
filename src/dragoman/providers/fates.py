"""What becomes of everything that a client may send: one row for each field, item, block, part and tool.

The table is a promise: the docs page is made from it, and a test sends every row to models of different vendors and
compares what happened. A row lists all fates that it can have; which of them depends on the model asked. Nothing that
is not `answered` disappears without a note or an error.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dragoman.core.messages import WireName

Fate = Literal["native", "mapped", "degraded", "clamped", "dropped", "refused", "answered"]

MEANING: dict[Fate, str] = {
    "native": "goes upstream under its own name, as it is",
    "mapped": "goes upstream in the vendor's form; nothing is lost",
    "degraded": "goes upstream in a weaker form, with a note",
    "clamped": "is moved into the range that the vendor takes, with a note",
    "dropped": "is left out, with a note",
    "refused": "is a 400 that names the field, before any call",
    "answered": "is acted upon here, or asks for nothing that the vendor would not do anyway",
}
Part = Literal["field", "item", "block", "part", "tool"]


class Row(msgspec.Struct, frozen=True):
    """name: as the protocol calls it. fates: all that it can have. about: what decides, for a person."""

    name: str
    fates: tuple[Fate, ...]
    about: str = ""


def _row(name: str, fates: str, about: str = "") -> Row:
    return Row(name, msgspec.convert(tuple(fates.split()), tuple[Fate, ...]), about)


_SAMPLING = "clamped into the vendor's range; dropped where the model sets it by itself while it thinks"
_UNKNOWN = "passed to vendors that take any field, on the client's own protocol"
_HOSTED = "run by the vendor that it belongs to; nobody else can"
_OURS = "kept or looked up here; never sent"
_MEDIA = "sent where the model takes it; else 400 in the newest user turn, a sentence with a note before it"
_FILE_ID = "a file id means nothing to another vendor"
_LIMIT = "under the vendor's own name; clamped to what the model can give"

TABLE: dict[tuple[WireName, Part], tuple[Row, ...]] = {
    ("responses", "field"): (
        _row("input", "mapped refused", "required; a string or items, see the items"),
        _row("model", "answered", "chooses vendor and model; the answer shows the name that was asked for"),
        _row("instructions", "native mapped", "system text in front"),
        _row("max_output_tokens", "native mapped clamped", _LIMIT),
        _row("temperature", "native clamped dropped", _SAMPLING),
        _row("top_p", "native clamped dropped", _SAMPLING),
        _row(
            "reasoning",
            "native mapped degraded dropped answered",
            "effort in the vendor's words; the summary is display",
        ),
        _row("text", "native mapped degraded dropped", "a JSON schema is checked here where the vendor has none"),
        _row("tools", "native mapped", "see the tools"),
        _row("tool_choice", "native mapped dropped refused answered", "weakened to auto where nothing can be forced"),
        _row("parallel_tool_calls", "native mapped dropped"),
        _row("stream", "native"),
        _row("stream_options", "answered"),
        _row("store", "answered", _OURS),
        _row("previous_response_id", "answered", _OURS),
        _row(
            "conversation",
            "native refused",
            "conversations are not kept here; use previous_response_id or send the history",
        ),
        _row("prompt", "native refused", "a stored prompt template is at its vendor; send its text as instructions"),
        _row("background", "dropped", "made in the foreground"),
        _row("metadata", "native dropped", "always echoed in the response"),
        _row("include", "dropped answered", "what can be included is; encrypted reasoning always"),
        _row("user", "mapped dropped", "under the vendor's own name"),
        _row("safety_identifier", "native mapped dropped", "under the vendor's own name"),
        _row("service_tier", "native dropped"),
        _row("prompt_cache_key", "native dropped"),
        _row("prompt_cache_retention", "native dropped"),
        _row("prompt_cache_options", "native dropped"),
        _row("truncation", "native dropped"),
        _row("max_tool_calls", "native dropped"),
        _row("top_logprobs", "dropped", "answers carry no log probabilities"),
        _row("context_management", "native dropped", "clients of this gateway compact by /responses/compact"),
        _row("moderation", "native dropped"),
        _row("client_metadata", "dropped"),
        _row("access_programs", "dropped"),
        _row("image", "dropped"),
        _row("*", "native dropped", _UNKNOWN),
    ),
    ("responses", "item"): (
        _row(
            "message",
            "native mapped degraded",
            "of any role; later system text becomes a marked user message where a vendor takes it only in front",
        ),
        _row("reasoning", "native mapped dropped", "to the model family that it came from; else text or nothing"),
        _row("function_call", "native mapped", "with its output; a call without one gets a made-up output, and a note"),
        _row("function_call_output", "native mapped dropped", "one without its call is left out"),
        _row("custom_tool_call", "native mapped"),
        _row("custom_tool_call_output", "native mapped"),
        _row("local_shell_call", "mapped"),
        _row("local_shell_call_output", "mapped"),
        _row("shell_call", "native mapped"),
        _row("shell_call_output", "native mapped"),
        _row("apply_patch_call", "native mapped"),
        _row("apply_patch_call_output", "native mapped"),
        _row("tool_search_call", "native mapped"),
        _row("tool_search_output", "native mapped", "the tools in it are offered from then on"),
        _row("additional_tools", "mapped", "read as tools"),
        _row("agent_message", "mapped", "read as a user message with the author's name"),
        _row("web_search_call", "native mapped dropped", "with what it found, where that is known"),
        _row("file_search_call", "native dropped", _HOSTED),
        _row("computer_call", "native dropped", _HOSTED),
        _row("computer_call_output", "native dropped", _HOSTED),
        _row("image_generation_call", "native dropped", _HOSTED),
        _row("code_interpreter_call", "native dropped", _HOSTED),
        _row("mcp_list_tools", "native dropped", _HOSTED),
        _row("mcp_approval_request", "native dropped", _HOSTED),
        _row("mcp_approval_response", "native dropped", _HOSTED),
        _row("mcp_call", "native dropped", _HOSTED),
        _row("program", "native dropped", _HOSTED),
        _row("program_output", "native dropped", _HOSTED),
        _row("configuration_update", "native dropped", _HOSTED),
        _row("item_reference", "native dropped", "looked up in stored responses first"),
        _row(
            "compaction", "refused", "opened where it was sealed here; else nothing would be left of the conversation"
        ),
        _row("compaction_trigger", "answered", "the answer is a compaction item"),
        _row("*", "native dropped", _UNKNOWN),
    ),
    ("responses", "part"): (
        _row("input_text", "native mapped"),
        _row("output_text", "mapped"),
        _row("text", "native mapped", "a Chat part, which some clients send"),
        _row("refusal", "native mapped"),
        _row("input_image", "native mapped refused", _MEDIA),
        _row("input_image.file_id", "native refused", _FILE_ID),
        _row("input_file", "native mapped refused", _MEDIA + "; text files are sent as text"),
        _row("input_file.file_id", "native refused", _FILE_ID),
        _row("input_audio", "mapped refused", _MEDIA),
        _row("*", "refused"),
    ),
    ("responses", "tool"): (
        _row("function", "native mapped degraded", "without `strict` where the vendor does not check it"),
        _row("custom", "native degraded", "as a function with one string; its grammar stands in the description"),
        _row("namespace", "mapped", "flattened under legal names, restored in calls"),
        _row("local_shell", "native degraded", "as a function, restored in calls"),
        _row("shell", "native degraded", "as a function, restored in calls"),
        _row("apply_patch", "native degraded", "as a function, restored in calls"),
        _row("tool_search", "native degraded", "as a function; deferred tools wait until they are found"),
        _row("web_search", "native mapped degraded dropped refused", "see docs/search.md"),
        _row("web_search_preview", "native mapped degraded dropped refused", "see docs/search.md"),
        _row("image_generation", "native dropped", _HOSTED),
        _row("code_interpreter", "native dropped", _HOSTED),
        _row("file_search", "native dropped", _HOSTED),
        _row("computer", "native dropped", _HOSTED),
        _row("computer_use_preview", "native dropped", _HOSTED),
        _row("mcp", "native dropped", _HOSTED),
        _row("programmatic_tool_calling", "native dropped", _HOSTED),
        _row("*", "native dropped", _HOSTED),
    ),
    ("chat", "field"): (
        _row("messages", "native mapped refused", "required; see the messages and their parts"),
        _row("model", "answered", "chooses vendor and model; the answer shows the name that was asked for"),
        _row("max_completion_tokens", "native mapped clamped", _LIMIT),
        _row("max_tokens", "native mapped clamped", _LIMIT),
        _row("temperature", "native clamped dropped", _SAMPLING),
        _row("top_p", "native clamped dropped", _SAMPLING),
        _row("stop", "native mapped dropped refused", "400 where there are more than the vendor takes"),
        _row("reasoning_effort", "native mapped degraded dropped", "in the vendor's words"),
        _row("reasoning", "native mapped degraded dropped", "OpenRouter's form; effort in the vendor's words"),
        _row("thinking", "native mapped dropped answered", "a switch that many vendors and clients share"),
        _row("enable_thinking", "mapped dropped answered", "a switch that some clients send"),
        _row("thinking_budget", "dropped"),
        _row(
            "response_format",
            "native mapped degraded answered",
            "a JSON schema is checked here where the vendor has none",
        ),
        _row("tools", "native mapped", "see the tools"),
        _row("tool_choice", "native mapped dropped refused answered", "weakened to auto where nothing can be forced"),
        _row("parallel_tool_calls", "native mapped dropped"),
        _row("stream", "native"),
        _row("stream_options", "answered", "whether the stream ends with usage"),
        _row("n", "answered refused", "only 1"),
        _row("user", "native mapped dropped", "under the vendor's own name"),
        _row("safety_identifier", "native mapped dropped", "under the vendor's own name"),
        _row("metadata", "native dropped"),
        _row("store", "native dropped"),
        _row("service_tier", "native dropped"),
        _row("prompt_cache_key", "native dropped"),
        _row("prompt_cache_retention", "native dropped"),
        _row("prompt_cache_options", "native dropped"),
        _row("frequency_penalty", "native dropped"),
        _row("presence_penalty", "native dropped"),
        _row("repetition_penalty", "native dropped"),
        _row("logit_bias", "native dropped"),
        _row("seed", "native dropped"),
        _row("top_k", "native dropped"),
        _row("min_p", "native dropped"),
        _row("verbosity", "native dropped"),
        _row("prediction", "native dropped"),
        _row("moderation", "native dropped"),
        _row("web_search_options", "mapped degraded dropped refused", "see docs/search.md"),
        _row("logprobs", "dropped", "answers carry no log probabilities"),
        _row("top_logprobs", "dropped", "answers carry no log probabilities"),
        _row("audio", "dropped", "answers carry no sound"),
        _row("modalities", "dropped", "answers are text"),
        _row("cache_prompt", "dropped"),
        _row("functions", "refused", "use tools"),
        _row("function_call", "refused", "use tool_choice"),
        _row("*", "native dropped", _UNKNOWN),
    ),
    ("chat", "item"): (
        _row("system", "native mapped degraded", "a later one becomes a marked user message where needed"),
        _row("developer", "native mapped degraded", "as system text where the vendor has no such role"),
        _row("user", "native mapped"),
        _row("assistant", "native"),
        _row("assistant.reasoning_content", "native mapped dropped", "to a model that may be its own"),
        _row("assistant.reasoning_details", "mapped dropped", "to the model family that it came from"),
        _row("assistant.tool_calls", "native mapped", "with their results"),
        _row("tool", "native mapped dropped", "one without its call is left out"),
        _row("function", "refused", "use tool"),
        _row("*", "refused"),
    ),
    ("chat", "part"): (
        _row("text", "native mapped"),
        _row("refusal", "native mapped"),
        _row("image_url", "native mapped refused", _MEDIA),
        _row("input_audio", "mapped refused", _MEDIA),
        _row("video_url", "native refused", _MEDIA),
        _row("file", "native mapped refused", _MEDIA + "; text files are sent as text"),
        _row("file.file_id", "native refused", _FILE_ID),
        _row("file_url", "mapped refused", _MEDIA),
        _row("*", "refused"),
    ),
    ("chat", "tool"): (
        _row("function", "native mapped degraded", "without `strict` where the vendor does not check it"),
        _row("custom", "native degraded", "as a function with one string; its grammar stands in the description"),
        _row("web_search", "native mapped degraded dropped refused", "see docs/search.md"),
        _row("*", "dropped", _HOSTED),
    ),
    ("messages", "field"): (
        _row("messages", "native mapped refused", "required; see the blocks"),
        _row("model", "answered", "chooses vendor and model; the answer shows the name that was asked for"),
        _row("max_tokens", "native mapped clamped", "required; " + _LIMIT),
        _row("system", "native mapped", "Claude Code's billing line, which changes from call to call, is left out"),
        _row("temperature", "native clamped dropped", _SAMPLING),
        _row("top_p", "native clamped dropped", _SAMPLING),
        _row("top_k", "native dropped"),
        _row("stop_sequences", "native mapped dropped refused", "400 where there are more than the vendor takes"),
        _row("thinking", "native mapped dropped answered", "the switch in the vendor's form"),
        _row("output_config", "native mapped degraded dropped", "effort in the vendor's words; format as above"),
        _row("output_format", "native degraded", "an older name of output_config.format"),
        _row("tools", "native mapped", "see the tools"),
        _row(
            "tool_choice",
            "native mapped degraded dropped refused answered",
            "weakened to auto where nothing can be forced",
        ),
        _row("stream", "native"),
        _row("metadata", "native dropped", "its user_id under the vendor's own name, without the session in it"),
        _row("service_tier", "native dropped"),
        _row("cache_control", "native dropped", "vendors that cache by themselves need none"),
        _row("container", "native dropped", _HOSTED),
        _row("context_management", "native dropped"),
        _row("mcp_servers", "native dropped", _HOSTED),
        _row("betas", "dropped"),
        _row("inference_geo", "native dropped"),
        _row("diagnostics", "native dropped"),
        _row("fallbacks", "native dropped"),
        _row("speed", "native dropped"),
        _row("user_profile_id", "native dropped"),
        _row("workspace_id", "native dropped"),
        _row("*", "native dropped", _UNKNOWN),
    ),
    ("messages", "block"): (
        _row("text", "native mapped"),
        _row("image", "native mapped refused", _MEDIA),
        _row("image.file", "native refused", _FILE_ID),
        _row("document", "native mapped refused", _MEDIA + "; text documents are sent as text"),
        _row("search_result", "native mapped", "as text where the vendor has no such block"),
        _row("thinking", "native mapped dropped", "to the model family that it came from; else text or nothing"),
        _row("redacted_thinking", "native dropped", "to the vendor that made it"),
        _row("tool_use", "native mapped", "with its result; a call without one gets a made-up result, and a note"),
        _row("tool_result", "native mapped dropped", "one without its call is left out"),
        _row("server_tool_use", "native mapped dropped", _HOSTED),
        _row("web_search_tool_result", "native mapped dropped", "with what it found, where that is known"),
        _row("web_fetch_tool_result", "native dropped", _HOSTED),
        _row("code_execution_tool_result", "native dropped", _HOSTED),
        _row("bash_code_execution_tool_result", "native dropped", _HOSTED),
        _row("text_editor_code_execution_tool_result", "native dropped", _HOSTED),
        _row("tool_search_tool_result", "native dropped", _HOSTED),
        _row("container_upload", "native dropped", _HOSTED),
        _row("*", "native dropped", _UNKNOWN),
    ),
    ("messages", "tool"): (
        _row("custom", "native mapped degraded", "without `strict` where the vendor does not check it"),
        _row("web_search", "native mapped degraded dropped refused", "see docs/search.md"),
        _row("web_fetch", "native dropped", _HOSTED),
        _row("code_execution", "native dropped", _HOSTED),
        _row("bash", "native dropped", _HOSTED),
        _row("text_editor", "native dropped", _HOSTED),
        _row("memory", "native dropped", _HOSTED),
        _row("computer", "native dropped", _HOSTED),
        _row("browser", "native dropped", _HOSTED),
        _row("tool_search_tool", "native dropped", _HOSTED),
        _row("*", "native dropped", _HOSTED),
    ),
}
"""Rows by protocol and part. `*` stands for everything that the protocol does not know."""
