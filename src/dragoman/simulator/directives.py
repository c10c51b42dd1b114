"""Faults and manners on demand: `[sim:fault=length,times=2]` in the newest user text, the model name or `x-sim`.

Keys: `fault=NAME` or `fault=NAME:VALUE`, `times=N` (only the first N requests that carry this directive), `turn=N`
(only at the N-th step of the task), `first=S` (headers at once, first token after S seconds), `wait=S` (headers after
S seconds), `pace=S` (between chunks), `say=WORDS`, `words=N`, `calls=N`, `ids=fixed`, `reasoning=none`.
A status number is a fault too: `[sim:fault=429]`.
"""

from __future__ import annotations

import re

import msgspec

STREAM_FAULTS: dict[str, str] = {
    "length": "the answer ends with finish reason length in mid-text",
    "length_call": "the output limit cuts a call's arguments",
    "content_filter": "the answer ends with finish reason content_filter",
    "repetition": "the answer ends with finish reason repetition_truncation",
    "network_error": "the answer ends with finish reason network_error",
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

STATUS_FAULTS: dict[str, tuple[int, str, str, str]] = {
    "400": (400, "Param Incorrect", "Input should be another", ""),
    "401": (401, "Invalid API Key", "Please provide a valid API key", ""),
    "402": (402, "Upstream request failed: Insufficient account funds", "", ""),
    "403": (403, "Access denied", "", ""),
    "404": (404, "Unsupported model", "", ""),
    "421": (421, "The request was rejected because it was considered high risk", "", ""),
    "429": (429, "Too many requests", "", "limitation"),
    "500": (500, "Internal server error", "", ""),
    "503": (503, "Service overloaded", "", ""),
    "moderation": (400, "Param Incorrect", "The request was rejected because it was considered high risk", ""),
    "overflow": (400, "Param Incorrect", "", ""),
}
"""HTTP errors: status, message, param, type."""

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
    )


_KEYS = {"fault", "times", "turn", "first", "wait", "pace", "say", "words", "calls", "ids", "reasoning"}
