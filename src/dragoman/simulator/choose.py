"""Choosing a tool among those that a client offers, and filling its arguments from the task and the JSON Schema.

Every client names its shell and its file tools differently; the lists below are the names seen on the wire. A tool that
is in no list is filled field by field: by the field's name where it says something, by its type otherwise.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

import msgspec

from dragoman.simulator.ask import Call, Offered

SHELLS = (
    "exec_command",
    "bash",
    "shell",
    "local_shell",
    "shell_command",
    "run_shell_command",
    "run_command",
    "execute_command",
    "terminal",
    "exec",
)
WRITERS = ("write_marker", "write", "write_file", "create_file", "fs_write", "writefile", "apply_patch", "save")
READERS = ("read", "read_file", "readfile", "fs_read", "view", "cat")
NEVER = ("request_user_input", "deferredtoolplaceholder", "web_search", "write_stdin", "tool_search", "toolsearch")

_SEARCHING = re.compile(r"\bweb search\b|\bsearch(?:es)? the web\b", re.I)

_COMMAND_FIELDS = ("cmd", "command", "commands", "script")
_PATHS = ("path", "file", "file_path", "filepath", "filename", "file_name", "target_file", "absolute_path")
_CONTENTS = ("content", "contents", "text", "word", "data", "body", "value", "file_text", "message")
_QUERIES = ("query", "q", "pattern", "search", "keyword", "keywords", "topic")
_PLACES = ("city", "location", "place", "town")


class Job(msgspec.Struct, frozen=True):
    """What the task asks, as far as a script can tell. numbers: those in the text, in order."""

    text: str
    word: str = "made-by-tool"
    file: str = "marker.txt"
    command: str | None = None
    read_back: bool = False
    parallel: int = 1
    place: str = "Paris"
    numbers: tuple[int, ...] = ()

    @property
    def writing(self) -> str:
        """The shell command that writes the word."""
        return self.command or f"printf '%s\\n' {shlex.quote(self.word)} > {shlex.quote(self.file)}"

    @property
    def reading(self) -> str:
        """The shell command that reads it back."""
        return f"cat {shlex.quote(self.file)}"


def short(name: str) -> str:
    """The last part of a name: gateways put groups before it."""
    return re.split(r"__|[./:]", name)[-1].lower()


def named(tools: tuple[Offered, ...], text: str) -> Offered | None:
    """The tool that the text calls by its name, the longest if there are several."""
    hits = [t for t in tools if len(short(t.name)) > 3 and re.search(rf"\b{re.escape(short(t.name))}\b", text.lower())]
    explicit = [
        t for t in hits if "_" in short(t.name) or re.search(rf"\b{short(t.name)} (tool|function)\b", text.lower())
    ]
    return max(explicit, key=lambda t: len(t.name), default=None)


def _listed(tools: tuple[Offered, ...], names: tuple[str, ...]) -> Offered | None:
    by_name = {short(t.name): t for t in reversed(tools)}
    return next((by_name[name] for name in names if name in by_name), None)


def pick(tools: tuple[Offered, ...], job: Job, *, reading: bool = False) -> Offered | None:
    """The tool for the next step, or None where nothing fits."""
    usable = tuple(t for t in tools if short(t.name) not in NEVER)
    explicit = named(usable, job.text)
    if explicit is not None and not reading:
        return explicit
    searching = None if reading or not _SEARCHING.search(job.text) else _listed(tools, ("web_search",))
    if searching is not None:
        return searching
    found = _listed(usable, SHELLS) or _listed(usable, READERS if reading else WRITERS)
    if found is not None:
        return found
    words = set(re.findall(r"[a-z]{3,}", job.text.lower()))
    scored = [(len(words & set(re.findall(r"[a-z]{3,}", t.name.lower().replace("_", " ")))), t) for t in usable]
    best = max(scored, key=lambda pair: pair[0], default=(0, None))
    return best[1]


def call(tool: Offered, job: Job, *, reading: bool = False) -> Call:
    """A call of the tool that carries the step out."""
    name = short(tool.name)
    properties = tool.schema.get("properties", {})
    fields = {key: _field(key, value, job, tool) for key, value in _wanted(tool.schema).items()}
    command = job.reading if reading else job.writing
    key = next((k for k in _COMMAND_FIELDS if k in properties), None)
    if key is not None:
        fields[key] = _command(properties[key], command, plural=key == "commands")
    elif name in SHELLS and list(properties) == ["input"]:
        fields["input"] = _script(command) if "JavaScript" in tool.description else command
    if name == "apply_patch":
        fields = _patch(fields, properties, job)
    return Call(tool.name, msgspec.json.encode(fields).decode())


def _script(command: str) -> str:
    """The command in Codex's code mode, where a script calls the other tools."""
    asked = msgspec.json.encode({"cmd": command}).decode()
    return f"const done = await tools.exec_command({asked}); text(done.output);"


def _command(schema: dict[str, Any], command: str, *, plural: bool) -> Any:
    if "array" not in _types(schema):
        return command
    return [command] if plural else ["bash", "-lc", command]


def _patch(fields: dict[str, Any], properties: dict[str, Any], job: Job) -> dict[str, Any]:
    key = next((k for k in ("input", "patch", "diff") if k in properties), None)
    if "path" in properties and "type" in properties:
        return {"type": "create_file", "path": job.file, "diff": f"+{job.word}\n"}
    if "operation" in properties:
        return {"operation": {"type": "create_file", "path": job.file, "diff": f"+{job.word}\n"}}
    patch = f"*** Begin Patch\n*** Add File: {job.file}\n+{job.word}\n*** End Patch\n"
    return {**fields, key or "input": patch}


def _wanted(schema: dict[str, Any]) -> dict[str, Any]:
    """The required properties; where none is required, those whose names we know how to fill."""
    properties = schema.get("properties", {})
    required = schema.get("required") or []
    if required:
        return {key: properties.get(key, {}) for key in required}
    known = (*_PATHS, *_CONTENTS, *_QUERIES, *_PLACES, "input")
    return {key: value for key, value in properties.items() if key.lower() in known}


def _types(schema: dict[str, Any]) -> tuple[str, ...]:
    kind = schema.get("type", ())
    return (kind,) if isinstance(kind, str) else tuple(kind)


def _resolve(schema: dict[str, Any], tool: Offered) -> dict[str, Any]:
    reference = schema.get("$ref", "")
    if isinstance(reference, str) and reference.startswith("#/"):
        node: Any = tool.schema
        for step in reference[2:].split("/"):
            node = node.get(step, {}) if isinstance(node, dict) else {}
        return node if isinstance(node, dict) else {}
    for key in ("anyOf", "oneOf"):
        options = [o for o in schema.get(key, ()) if isinstance(o, dict) and o.get("type") != "null"]
        if options:
            return {**schema, key: (), **options[0]}
    return schema


def _field(key: str, schema: Any, job: Job, tool: Offered) -> Any:
    schema = _resolve(schema if isinstance(schema, dict) else {}, tool)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    types = _types(schema)
    if "string" in types or not types:
        return _string(key.lower(), job)
    if "integer" in types or "number" in types:
        return _number(key, schema, job, tool)
    if "boolean" in types:
        return bool(schema.get("default", False))
    if "array" in types:
        items = schema.get("items", {})
        return [_field(key.rstrip("s"), items, job, tool) for _ in range(max(1, schema.get("minItems", 1)))]
    if "object" in types:
        return {k: _field(k, v, job, tool) for k, v in _wanted(schema).items()}
    return None


def _number(key: str, schema: dict[str, Any], job: Job, tool: Offered) -> int | float:
    numeric = [k for k, v in tool.schema.get("properties", {}).items() if {"integer", "number"} & set(_types(v))]
    position = numeric.index(key) if key in numeric else 0
    if position < len(job.numbers):
        return job.numbers[position]
    low: int | float = schema.get("minimum", schema.get("default", 1))
    return low


def _string(key: str, job: Job) -> str:
    if key in _PATHS:
        return job.file
    if key in _CONTENTS:
        return job.word
    if key in _PLACES:
        return job.place
    if key in _QUERIES:
        return " ".join(job.text.split()[:8])
    if key == "description":
        return "Writes the marker"
    if key == "date":
        return "2026-01-01"
    return job.word
