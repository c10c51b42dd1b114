"""The simulator's judgement over a run: which rules were broken, what was ignored, how well the cache was hit.

A violation is anything that the documentation forbids, whether the server answers it with an error or says nothing.
What is merely overridden by the server (sampling in thinking mode) or undocumented but known to be taken is counted
apart and does not spoil the verdict.
"""

from __future__ import annotations

from collections import Counter

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """One broken rule. request: its number, from 1. status: what was answered, 200 where the server said nothing."""

    request: int
    rule: str
    field: str
    message: str
    status: int


class Verdict(msgspec.Struct):
    """What a run came to."""

    requests: int = 0
    answered: int = 0
    violations: list[Violation] = []
    ignored: dict[str, int] = {}
    tolerated: dict[str, int] = {}
    faults: dict[str, int] = {}
    reasoning_checked: int = 0
    placeholders: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    ok: bool = True

    def lines(self) -> list[str]:
        """The verdict for a person."""
        share = 100 * self.cached_tokens // self.prompt_tokens if self.prompt_tokens else 0
        out = [
            f"verdict: {'ok' if self.ok else 'RULES BROKEN'}: {self.requests} requests, {self.answered} answered, "
            f"{len(self.violations)} violations",
            f"  reasoning passed back unchanged: {self.reasoning_checked} turns; placeholders: {self.placeholders}",
            f"  prompt tokens: {self.prompt_tokens}, {share}% from the prefix cache",
        ]
        for title, counts in (("ignored", self.ignored), ("tolerated", self.tolerated), ("faults", self.faults)):
            if counts:
                out.append(f"  {title}: " + ", ".join(f"{k} {v}x" for k, v in sorted(counts.items())))
        out += [f"  #{v.request} {v.rule} at {v.field or '(body)'} ({v.status}): {v.message}" for v in self.violations]
        return out


class Ledger:
    """Counts while the run goes on."""

    def __init__(self) -> None:
        self.requests = 0
        self.answered = 0
        self.violations: list[Violation] = []
        self.ignored: Counter[str] = Counter()
        self.tolerated: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.reasoning_checked = 0
        self.placeholders = 0
        self.prompt_tokens = 0
        self.cached_tokens = 0

    def violation(self, request: int, rule: str, field: str, message: str, status: int) -> None:
        """A rule was broken."""
        self.violations.append(Violation(request, rule, field, message, status))

    def verdict(self) -> Verdict:
        """The judgement so far."""
        return Verdict(
            self.requests,
            self.answered,
            list(self.violations),
            dict(self.ignored),
            dict(self.tolerated),
            dict(self.faults),
            self.reasoning_checked,
            self.placeholders,
            self.prompt_tokens,
            self.cached_tokens,
            not self.violations,
        )
