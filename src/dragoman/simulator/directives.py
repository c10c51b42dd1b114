"""Faults and manners on demand: `[sim:fault=length,times=2]` in the newest user text, the model name or `x-sim`.

What each does in a vendor's own words stands with the vendor; here are the names.

Keys: `fault=NAME` or `fault=NAME:VALUE`, `times=N` (only the first N requests that carry this directive), `turn=N`
(only at the N-th step of the task), `first=S` (headers at once, first token after S seconds), `wait=S` (headers after
S seconds), `pace=S` (between chunks), `say=WORDS`, `words=N`, `calls=N`, `ids=fixed`, `reasoning=none`, `manner=NAME`.
A status number is a fault too: `[sim:fault=429]`.
"""

from __future__ import annotations

import re

import msgspec

STREAM_FAULTS: dict[str, str] = {
    "length": "the answer ends with finish reason length in mid-text",
    "length_call": "the output limit cuts a call's arguments",
    "content_filter": "moderation cuts the answer: content_filter, sensitive, refusal",
    "repetition": "the server cuts an answer that repeats itself: repetition_truncation",
    "network_error": "the answer ends with finish reason network_error",
    "resource": "the answer ends with finish reason insufficient_system_resource",
    "context": "the window is full in mid-text: model_context_window_exceeded",
    "refusal": "the model refuses, in the vendor's own form",
    "pause": "the server pauses a long turn: pause_turn",
    "failed": "response.failed with server_error in mid-answer",
    "failed_rate": "response.failed with rate_limit_exceeded and a time to wait",
    "failed_overflow": "response.failed with context_length_exceeded",
    "failed_quota": "response.failed with insufficient_quota",
    "error_mid": "an error object stands in mid-stream",
    "error_call": "an error object stands in the middle of a call's arguments",
    "drop": "the connection closes right after the headers",
    "drop_text": "the connection closes in mid-text",
    "drop_call": "the connection closes in the middle of a call's arguments",
    "reset": "the connection closes before any header",
    "empty": "the stream holds nothing but its end",
    "no_choices": "chunks without choices",
    "no_finish": "the finish chunk is missing",
    "no_done": "the end marker is missing",
    "bad_json": "one chunk in mid-text is not JSON",
    "slow": "S seconds between all chunks",
    "stall": "S seconds of silence in mid-text",
    "usage_null": "the details of the usage are null",
    "usage_bad": "the usage report has wrong types",
    "usage_none": "no usage report",
    "interleave": "fragments of parallel calls alternate",
    "bad_schema": "the JSON answer does not fit its schema",
    "bad_arguments": "the call's arguments are not JSON",
    "json": "a streamed request is answered with a whole JSON body",
}
"""Faults that are no HTTP error, with what they do."""

FINISH_FAULTS = (
    "length", "length_call", "content_filter", "repetition", "network_error", "resource", "context",
    "refusal", "pause", "failed", "failed_rate", "failed_overflow", "failed_quota",
)  # fmt: skip
"""Faults that show in the finish reason; only a vendor that has a word for one can be asked for it."""

STATUS_FAULTS: dict[str, str] = {
    "400": "a bad parameter",
    "401": "a bad key",
    "402": "the balance is used up",
    "403": "no access",
    "404": "an unknown model",
    "421": "moderation, on the vendor that has a status for it",
    "422": "a parameter of the right shape with a wrong value; on MiniMax moderation of the answer",
    "429": "too many requests; with a value, Retry-After where the vendor sends it",
    "413": "the body is too large",
    "500": "an error of the server",
    "503": "overload",
    "504": "a timeout in the server",
    "529": "Anthropic: overload",
    "overload": "the server is too busy",
    "quota": "the plan's quota is used up until some time: waiting a moment does not help",
    "balance": "the account holds no money, whatever status the vendor has for it",
    "moderation": "the prompt is refused by moderation",
    "overflow": "the prompt is too long",
    "base_resp": "MiniMax: HTTP 200 with no choices and a status code in base_resp",
}
"""Errors in place of an answer. The bodies are the vendor's; not every vendor has every one."""

MANNERS: dict[str, str] = {
    "queued": "DeepSeek: keep-alive comments or blank lines before the answer",
    "cumulative": "MiniMax: each piece of reasoning_details repeats the text so far",
    "tail": "MiniMax: reasoning_details end with a literal closing think tag",
    "redacted": "Anthropic: thinking comes encrypted, as redacted_thinking",
    "repeat": "MiniMax: a last record holds the whole message again",
}
"""Odd but known ways to answer."""

_DIRECTIVE = re.compile(r"\[sim:([^\]]*)\]")
_FIELD = re.compile(r"([a-z_]+)=(\"[^\"]*\"|[^,\]]*)")


class Directive(msgspec.Struct, frozen=True):
    """What one directive asks. times: -1 is always. turn: 0 is every step."""

    fault: str = ""
    value: float = 0.0
    times: int = -1
    turn: int = 0
    first: float = 0.0
    wait: float = 0.0
    pace: float = 0.0
    say: str = ""
    words: int = 0
    calls: int = 0
    fixed_ids: bool = False
    reasoning: bool = True
    text: str = ""
    manners: tuple[str, ...] = ()

    @property
    def status(self) -> bool:
        """Whether the fault is an HTTP error."""
        return self.fault in STATUS_FAULTS


def without(text: str) -> str:
    """The text without its directives."""
    return _DIRECTIVE.sub("", text).strip()


def find(*places: str) -> Directive:
    """The last directive in the first of these texts that has one. Raises ValueError for an unknown key or fault."""
    for place in places:
        found = _DIRECTIVE.findall(place)
        if found:
            return parse(found[-1])
    return Directive()


def parse(text: str) -> Directive:
    """Reads the inside of a directive."""
    fields = {key: value.strip('" ') for key, value in _FIELD.findall(text)}
    unknown = set(fields) - _KEYS
    if unknown:
        raise ValueError(f"unknown directive: {', '.join(sorted(unknown))}")
    fault, _, value = fields.get("fault", "").partition(":")
    if fault and fault not in STREAM_FAULTS and fault not in STATUS_FAULTS:
        raise ValueError(f"unknown fault: {fault}")
    manner = fields.get("manner", "")
    if manner and manner not in MANNERS:
        raise ValueError(f"unknown manner: {manner}")
    return Directive(
        fault,
        float(value or 0),
        int(fields.get("times", -1)),
        int(fields.get("turn", 0)),
        float(fields.get("first", 0)),
        float(fields.get("wait", 0)),
        float(fields.get("pace", 0)),
        fields.get("say", ""),
        int(fields.get("words", 0)),
        int(fields.get("calls", 0)),
        fields.get("ids") == "fixed",
        fields.get("reasoning") != "none",
        text,
        (manner,) if manner else (),
    )


_KEYS = {"fault", "times", "turn", "first", "wait", "pace", "say", "words", "calls", "ids", "reasoning", "manner"}
