"""What the simulated server remembers: the reasoning it sent with each turn, and the prompts it has seen.

The documented rule is that, while thinking is on, every assistant message with tool calls carries its reasoning. A real
server can only see that the field is there; this one compares it with what it sent, byte for byte. The prompts give the
cached tokens: the longest common prefix with an earlier request, in whole blocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Literal

import msgspec

from dragoman.simulator.ask import Ask, Call, Rejected, Said

TOKEN_BYTES = 4
"""Bytes a token: the simulator's whole tokenizer."""
CACHE_BLOCK = 16
"""Cached tokens come in blocks of this size."""
ALIKE = 0.5
"""From this similarity on, wrong reasoning counts as changed; below it, as a placeholder."""

Match = Literal["same", "changed", "reformed", "placeholder", "unknown"]


class Broken(msgspec.Struct, frozen=True):
    """A broken rule that the server takes without a word. path: of the message."""

    rule: str
    path: str
    message: str


def tokens(data: bytes) -> int:
    """How many tokens the bytes are."""
    return -(-len(data) // TOKEN_BYTES)


def common_prefix(a: bytes, b: bytes) -> int:
    """Length of the longest common prefix, found by halving: memcmp does the work."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class PrefixCache:
    """The last prompts of each model."""

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._prompts: dict[str, deque[bytes]] = {}

    def cached(self, model: str, prompt: bytes) -> int:
        """Tokens of the prompt that an earlier one began with; the prompt is remembered."""
        seen = self._prompts.setdefault(model, deque(maxlen=self._size))
        best = max((common_prefix(prompt, old) for old in seen), default=0)
        seen.append(prompt)
        return best // TOKEN_BYTES // CACHE_BLOCK * CACHE_BLOCK


class _Sent(msgspec.Struct, frozen=True):
    before: str
    reasoning: str
    signature: str | None
    form: str


def _canonical(arguments: str) -> str:
    try:
        return msgspec.json.encode(msgspec.json.decode(arguments), order="sorted").decode()
    except msgspec.DecodeError:
        return arguments


def _key(text: str, calls: tuple[Call, ...], ids: bool = True) -> str:
    told = [[call.id if ids else "", call.name, _canonical(call.arguments)] for call in calls]
    return msgspec.json.encode([text.strip() if not calls else "", told]).decode()


def _before(said: tuple[Said, ...], index: int) -> str:
    """What stood right before the turn: tells turns apart that share their call ids."""
    if index == 0:
        return ""
    last = said[index - 1]
    return msgspec.json.encode([last.text, last.results]).decode()


class ReasoningMemory:
    """Every turn that was sent, by what a history shows of it."""

    def __init__(self) -> None:
        self._turns: dict[str, list[_Sent]] = {}

    def sent(
        self, ask: Ask, text: str, calls: tuple[Call, ...], reasoning: str, signature: str | None, form: str = ""
    ) -> None:
        """Remembers a turn that answered `ask`. form: in which form its reasoning went out."""
        entry = _Sent(_before(ask.said, len(ask.said)), reasoning, signature, form)
        self._turns.setdefault(_key(text, calls), []).append(entry)
        if calls:
            self._turns.setdefault(_key(text, calls, ids=False), []).append(entry)

    def _entries(self, ask: Ask, index: int) -> list[_Sent]:
        """What may have been sent as message `index`. An id that was issued twice in a thread (`call_0`) has to be
        renamed by whoever keeps ids apart: then the calls themselves, behind the same message, tell the turn."""
        one = ask.said[index]
        before = _before(ask.said, index)
        entries = self._turns.get(_key(one.text, one.calls), [])
        if not entries and one.calls:
            renamed = self._turns.get(_key(one.text, one.calls, ids=False), [])
            return [e for e in renamed if e.before == before]
        return [e for e in entries if e.before == before] or entries

    def match(self, ask: Ask, index: int) -> Match:
        """Whether the reasoning of message `index` is the one that was sent with that turn, in the form it had."""
        one = ask.said[index]
        here = self._entries(ask, index)
        if not here:
            return "unknown"
        got = one.reasoning or ""
        alike = [e for e in here if got == e.reasoning]
        if any(_signed(ask, one, e) for e in alike):
            return "same" if any(_formed(one, e) for e in alike) else "reformed"
        everything = {e.reasoning for turns in self._turns.values() for e in turns}
        if got in everything or any(_alike(got, e.reasoning) for e in here):
            return "changed"
        return "placeholder"

    def lost(self, ask: Ask, index: int) -> bool:
        """Whether message `index` was sent with reasoning and comes back with none."""
        here = self._entries(ask, index)
        return bool(here) and not ask.said[index].reasoning and all(e.reasoning for e in here)


def no_replay(memory: ReasoningMemory, ask: Ask) -> Iterable[Broken]:
    """Nothing is demanded back."""
    return ()


def require(memory: ReasoningMemory, ask: Ask, words: str) -> None:
    """With thinking on, every turn with calls brings its reasoning, or the empty one that was sent: else 400.

    words: the vendor's; `{index}` is the place of the message.
    """
    for index, one in enumerate(ask.said):
        if not one.calls or not ask.thinking or one.reasoning:
            continue
        if one.reasoning == "" and memory.match(ask, index) == "same":
            continue
        raise Rejected("reasoning_missing", one.path, words.format(index=index))


def dropped(memory: ReasoningMemory, ask: Ask, places: Iterable[int]) -> list[Broken]:
    """Those of these messages that were sent with reasoning and come back without: taken, and wrong."""
    return [
        Broken("reasoning_dropped", ask.said[i].path, "the reasoning that was sent with this turn did not come back")
        for i in places
        if ask.said[i].role == "assistant" and memory.lost(ask, i)
    ]


def calling(ask: Ask, first: int = 0) -> list[int]:
    """The messages with calls, from `first` on."""
    return [i for i, one in enumerate(ask.said) if i >= first and one.calls]


def open_turn(ask: Ask) -> int:
    """Where the tool loop begins that is still open: behind the last message of the user's own."""
    asked = [i for i, s in enumerate(ask.said) if s.role == "user" and not s.results]
    return asked[-1] + 1 if asked else 0


def _signed(ask: Ask, one: Said, entry: _Sent) -> bool:
    """Chat has no place for a signature; Messages wants back the one that was issued."""
    return ask.wire != "messages" or (one.signature or "") == (entry.signature or "")


def _formed(one: Said, entry: _Sent) -> bool:
    """A turn that went out in one of several forms comes back in it."""
    return not one.form or not entry.form or one.form == entry.form


def _alike(a: str, b: str) -> bool:
    if not a or not b:
        return False
    if a in b or b in a:
        return True
    return SequenceMatcher(None, a, b, autojunk=False).ratio() > ALIKE
