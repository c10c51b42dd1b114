"""The scripted model: reads the task out of the conversation and decides the next turn. Same question, same answer.

A task that asks for an action is carried out with the client's own tools: one call, a second one that reads the result
back when the task says so, then a sentence that repeats what the tool reported. Anything else is answered in text.
Reasoning comes first, with letters of several bytes and a closing newline that careless clients trim.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from dragoman.simulator import choose
from dragoman.simulator.ask import Ask, Call, Offered, Said
from dragoman.simulator.choose import Job
from dragoman.simulator.directives import Directive, without

_ASIDE = re.compile(r"<(system-reminder|environment_context|user_instructions|INSTRUCTIONS)>.*?</\1>", re.S)
_PROJECT = re.compile(r"^# AGENTS\.md instructions.*", re.S)
_ACTION = re.compile(
    r"\b(writes?|creates?|runs?|calls?|uses?|executes?|reads?|lists?|search(?:es)?|finds?|fetch(?:es)?|gets?|look up|"
    r"checks?|edits?|deletes?|makes?|adds?|weather)\b",
    re.I,
)
_WORD = (
    re.compile(r"\bwith (?:the )?word [\"'“`]?([\w-]+)", re.I),
    re.compile(r"\b(?:the )?word [\"'“`]?([\w-]+)[\"'”`]? (?:in)?to\b", re.I),
    re.compile(r"\b(?:containing|saying|holds?|that says|the text|writes?) [\"'“`]([^\"'”`\n]+)[\"'”`]", re.I),
)
_FILE = (
    re.compile(r"\bfile (?:named |called )?[\"'“`]?([\w./-]*\w\.\w+)", re.I),
    re.compile(r"\b(?:named|called|into|to|file) [\"'“`]?([\w./-]*\w\.\w{1,5})\b", re.I),
)
_COMMAND = re.compile(r"\b(?:runs?|executes?)\b[^`\n]*`([^`]+)`", re.I)
_BACK = re.compile(
    r"\b(?:reads? (?:it|the file|that file|\S+) back|second (?:call|command)|two (?:tool )?calls|then cat)\b", re.I
)
_PARALLEL = re.compile(r"\bin parallel\b|\bparallel (?:tool )?calls\b|\bat the same time\b", re.I)
_PLACE = re.compile(r"\b(?:in|for) ([A-Z][a-zé]+)")
_COMPACT = re.compile(
    r"CONTEXT CHECKPOINT COMPACTION|summari[sz]e (?:the|this) conversation"
    r"|create a detailed summary of the conversation",
    re.I,
)
_SEARCH = re.compile(r"\b(search|news|latest|web)\b", re.I)
_SOURCES = (("https://example.org/one", "First page"), ("https://example.org/two", "Second page"))
_BROKEN = re.compile(r"\b(error|denied|refused|aborted|unsupported|not permitted|failed)\b", re.I)


class Turn(msgspec.Struct, frozen=True):
    """What the model says. finish: the end, as a fault's name or the vendor's own word, "" for the natural one.

    fault: a name of `directives`, with its value. raw: records sent instead of all else. sources: web pages that a
    server-side search found. manners: names of `directives.MANNERS`. stopped: the stop sequence that ended the text.
    """

    reasoning: str = ""
    text: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = ""
    fault: str = ""
    value: float = 0.0
    raw: tuple[bytes, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    manners: tuple[str, ...] = ()
    stopped: str = ""


def _search(patterns: tuple[re.Pattern[str], ...], text: str) -> str | None:
    return next((m.group(1) for p in patterns if (m := p.search(text))), None)


def plain(text: str) -> str:
    """A user's text without what clients put around it, directives left out too."""
    return without(bare(text)).strip()


def bare(text: str) -> str:
    """The text without what clients put around it, directives kept."""
    return _PROJECT.sub("", _ASIDE.sub("", text)).strip()


def task(said: tuple[Said, ...]) -> tuple[str, str, int]:
    """The open task: its text, the same with directives, and the index of its message (-1 where there is none).

    Of what stands in one message, each part counts for itself: gateways put messages together.
    """
    start = max((i + 1 for i, s in enumerate(said) if s.role == "assistant" and not s.calls), default=0)
    users = [(i, s) for i, s in enumerate(said) if i >= start and s.role == "user"]
    asked = [(i, text) for i, s in users for text in s.parts or (s.text,) if bare(text)]
    acting = [(i, t) for i, t in asked if _ACTION.search(plain(t))]
    index, text = (acting or asked or [(-1, "")])[-1]
    return plain(text), bare(text), index


def read_job(text: str) -> Job:
    """What the text asks to be done."""
    command = _COMMAND.search(text)
    place = _PLACE.search(text)
    return Job(
        text,
        word=_search(_WORD, text) or "made-by-tool",
        file=_search(_FILE, text) or "marker.txt",
        command=command.group(1) if command else None,
        read_back=bool(_BACK.search(text)),
        parallel=2 if _PARALLEL.search(text) else 1,
        place=place.group(1) if place else "Paris",
        numbers=tuple(int(n) for n in re.findall(r"(?<![\w.-])\d+(?![\w-])", text)),
    )


def decide(ask: Ask, directive: Directive, number: int, stamp: str = "") -> Turn:
    """The next turn. number: of the request; it makes each reasoning unlike any other. stamp: a part of call ids."""
    text, _, index = task(ask.said)
    done = [s for s in ask.said[index + 1 :] if s.calls]
    results = [(c, t) for s in ask.said[index + 1 :] for c, t in s.results]
    think = ask.thinking and directive.reasoning
    if directive.say:
        return Turn(_reason(think, number, "The words are given."), directive.say)
    if directive.words:
        return Turn(_reason(think, number, "A long answer is asked."), _long(directive.words))
    if ask.json:
        return Turn(_reason(think, number, "JSON is asked."), _json(ask, broken=directive.fault == "bad_schema"))
    if _COMPACT.search(text):
        told = f"Summary so far: {_told(ask)}"
        tagged = f"<analysis>Short.</analysis>\n<summary>{told}</summary>" if "<summary>" in text else told
        return Turn(_reason(think, number, "A summary is asked."), tagged)
    job = read_job(text)
    calls = _next_calls(ask.tools, job, len(done), directive)
    if calls:
        what = f"Step {len(done) + 1}: {calls[0].name} fits the task."
        return Turn(_reason(think, number, what), calls=_with_ids(calls, f"{stamp}{number:04x}", directive))
    sources = _SOURCES if ask.search and _SEARCH.search(text) else ()
    return Turn(_reason(think, number, "It is done; I say so."), _final(text, job, done, results), sources=sources)


def _next_calls(tools: tuple[Offered, ...], job: Job, step: int, directive: Directive) -> list[Call]:
    acting = bool(_ACTION.search(job.text)) or choose.named(tools, job.text) is not None
    if not tools or not acting or step >= (directive.calls or (2 if job.read_back else 1)):
        return []
    reading = step > 0
    tool = choose.pick(tools, job, reading=reading)
    if tool is None:
        return []
    first = choose.call(tool, job, reading=reading)
    if job.parallel > 1 and not reading:
        other = msgspec.structs.replace(
            job, word=f"{job.word}-2", file=f"second-{job.file}", place="Rome", text=tool.name
        )
        return [first, choose.call(tool, other)]
    return [first]


def _with_ids(calls: list[Call], stem: str, directive: Directive) -> tuple[Call, ...]:
    """Ids as the vendor gives them; `fixed` ones repeat in every turn, as some servers do."""
    prefix = "call_" if directive.fixed_ids else f"call_{stem}"
    return tuple(
        msgspec.structs.replace(call, id=f"{prefix}{index}" if directive.fixed_ids else f"{prefix}{index:02x}")
        for index, call in enumerate(calls)
    )


def _reason(think: bool, number: int, what: str) -> str:
    return f"Pensée {number} 思考 🙂: {what}\n" if think else ""


def _final(text: str, job: Job, done: list[Said], results: list[tuple[str, str]]) -> str:
    if not done:
        return f"Hello! You said: “{text[:200]}” 你好 🙂" if text else "Hello! 你好 🙂"
    last = results[-1][1].strip() if results else ""
    seen = " ".join(result for _, result in results)
    if _BROKEN.search(last) and job.word not in seen:
        return f"The tool reported a problem: {last[:300]}"
    if job.word in done[0].calls[0].arguments and not job.command:
        return f"done: {job.file} holds {job.word}"
    return f"done: the tool said {last[:300]}" if last else "done: the tool said nothing"


def _told(ask: Ask) -> str:
    told = [s for s in ask.said if s.text and s.role in ("user", "assistant") and not _COMPACT.search(s.text)]
    return "; ".join(f"{s.role}: {plain(s.text)[:60]}" for s in told)[:600]


def _long(words: int) -> str:
    return " ".join(f"word{i} mot{i} 词{i}" for i in range(1, words // 3 + 2))


def _json(ask: Ask, *, broken: bool) -> str:
    if broken:
        return '{"unexpected": true'
    schema = _schema(ask.system) or _schema(" ".join(s.text for s in ask.said))
    if schema is None:
        return '{"answer": "你好", "ok": true}'
    tool = Offered("answer", "", schema)
    return choose.call(tool, read_job(task(ask.said)[0])).arguments


def _schema(text: str) -> dict[str, Any] | None:
    """The first JSON object in the text that looks like a JSON Schema."""
    for match in re.finditer(r"\{", text):
        try:
            found = msgspec.json.decode(text[match.start() : _balanced(text, match.start())])
        except msgspec.DecodeError:
            continue
        if isinstance(found, dict) and found.get("type") == "object" and isinstance(found.get("properties"), dict):
            return found
    return None


def _balanced(text: str, start: int) -> int:
    depth = 0
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index + 1
    return len(text)
