"""Notes: what was degraded, clamped or dropped on the way. The list of codes is closed and documented here.

Nothing is changed silently. A note has a code from `CODES`, the request field it speaks of, and a sentence for a
person. Notes go to the client in the `x-dragoman-notes` header or at the end of the stream, and to the log.
"""

from __future__ import annotations

import msgspec

CODES: dict[str, str] = {
    "param_dropped": "A parameter that the model or provider does not have was left out.",
    "param_clamped": "A parameter was moved into the range that the provider accepts.",
    "param_forced": "The provider forces this parameter in thinking mode; the asked value was left out.",
    "unknown_field": "A field that the client protocol does not know was left out.",
    "tool_degraded": "A tool of a kind that the upstream lacks is offered to it as a function.",
    "tool_dropped": "A tool that nobody can run here was left out.",
    "tool_renamed": "A tool goes upstream under another name, which is legal and unique there.",
    "tool_duplicate": "The same tool was declared twice; the later declaration was left out.",
    "tool_deferred": "A deferred tool that has not been loaded is not offered yet.",
    "tool_loaded": "A deferred tool was loaded: the prompt prefix changed.",
    "tool_choice_weakened": "The provider cannot force a tool; the choice was sent as auto.",
    "format_degraded": "The provider has no JSON schema; json_object and an instruction are sent instead.",
    "format_instruction": "The provider wants the word JSON in the prompt; an instruction was added.",
    "format_repaired": "The answer did not have the form that was asked for; the model was asked to mend it.",
    "format_unmet": "The answer does not have the form that was asked for, which was not asked for strictly.",
    "effort_coerced": "The asked reasoning effort was mapped to the nearest that the model has.",
    "thinking_forced": "Thinking was turned on because the history holds the model's own reasoning.",
    "thinking_placeholder": "Reasoning that the vendor wants back is lost; a placeholder stands in its place.",
    "thinking_dropped": "Reasoning of another model family, or for a provider that takes none back, was left out.",
    "thinking_unclosed": "The answer ended inside the model's thinking, which no tag had closed.",
    "tag_dropped": "A tag that closes thinking stood in the answer without any thinking; it was left out.",
    "seal_ignored": "A sealed reasoning block could not be opened and was ignored.",
    "vault_ambiguous": "Several remembered reasonings match this turn; none was used.",
    "vault_skipped": "The reasoning vault did not answer in time.",
    "vault_recalled": "Reasoning that the client dropped was put back from the vault.",
    "media_dropped": "Media that the model cannot take was replaced by a sentence.",
    "media_moved": "Media in a tool result was moved into a user message.",
    "item_dropped": "A history item that the upstream cannot take was left out.",
    "history_repaired": "The history was repaired: an orphan call or result, or arguments that were not JSON.",
    "system_as_user": "System text in the middle went as marked user text: the provider takes it in front only.",
    "reminder_appended": "A reminder stands at the end of this call's prompt; the next prompt does not begin like it.",
    "block_stripped": "A volatile client block was left out so that prompt caching works.",
    "usage_unknown": "The vendor's usage report was missing or malformed; the answer is kept, the count is unknown.",
    "event_skipped": "A malformed event of the vendor's stream was skipped.",
    "fragment_dropped": "A tool-call fragment without identity was dropped.",
    "repetition_cut": "The vendor cut the answer because the model repeated itself.",
    "letters_replaced": "Half of a character stood in the request's text; a replacement character stands in its place.",
    "shape_detected": "The body has another protocol's shape than the path; it was served by its shape.",
    "model_retired": "The model is past its announced end; its successor is named.",
    "unexpected_status": "The vendor's finish reason is unknown to us; it was treated as a normal end.",
    "retried": "The call was made again before any content had arrived.",
    "search_absent": "No search engine is configured; the declared web search was left out.",
    "search_limit": "The model asked for another web search after the last one that it may make; it was not run.",
    "search_refused": "The vendor refuses its own web search to this account; the call was made again without it.",
    "search_failed": "A web search gave nothing; the answer was written without it.",
    "background_absent": "The response was not run in the background.",
    "schema_reduced": "Keywords of a JSON schema that the provider refuses were left out.",
    "window_exceeded": "The prompt was larger than the model's window; a part of it may not have been read.",
    "cache_mark_dropped": "A cache mark was left out; the provider caches by itself or not at all.",
    "native_lane": "Client and provider speak the same protocol; the body was passed through.",
}


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was not done as asked. field: a path in the client's request, "" if none fits."""

    code: str
    field: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"note code {self.code!r} is not in the documented list")
