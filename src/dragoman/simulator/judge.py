"""What one simulated vendor knows in a run, and what it makes of a request: the rules, the judgement, the turn.

In: a request that was seen, its headers, the wire. Out: a `Plan`, or `Rejected`. Sends nothing: the doors do.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dragoman.simulator import directives, wires
from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.brain import Turn, decide, task
from dragoman.simulator.directives import FINISH_FAULTS, STATUS_FAULTS, Directive
from dragoman.simulator.memory import Broken, PrefixCache, ReasoningMemory, tokens
from dragoman.simulator.requests import ScriptEntry, Seen
from dragoman.simulator.speech import Count, count, faulty, limited
from dragoman.simulator.vendor import Account, ModelCard, Vendor, WireName
from dragoman.simulator.vendors import VENDORS
from dragoman.simulator.verdict import Ledger, Verdict, Violation


class Plan(msgspec.Struct):
    """What one accepted request is answered with."""

    ask: Ask
    turn: Turn
    directive: Directive
    spent: Count


class Judge:
    """The state of a run - rules, memory, script, log, verdict - and the judgement of each request.

    The parameters are those of `app.Simulator`.
    """

    def __init__(
        self,
        profile: str = "xiaomi",
        key: str | None = None,
        *,
        script: Iterable[ScriptEntry] = (),
        search: bool = False,
        fixed_ids: bool = False,
        manners: Iterable[str] = (),
    ) -> None:
        self.vendor: Vendor = VENDORS[profile]
        self.manners = tuple(manners)
        for name in self.manners:
            self._has_manner(name)
        self.key = key
        self.search = search
        self.fixed_ids = fixed_ids
        self.reset()
        self.script.extend(script)

    def reset(self) -> None:
        """Forgets everything that was seen, sent and judged."""
        self.script: deque[ScriptEntry] = deque()
        self.requests: list[Seen] = []
        self.ledger = Ledger()
        self.memory = ReasoningMemory()
        self.prompts = PrefixCache()
        self.account = Account(search=self.search)
        self._used: Counter[str] = Counter()

    @property
    def violations(self) -> list[Violation]:
        """The broken rules so far."""
        return self.ledger.violations

    def verdict(self) -> Verdict:
        """The judgement so far."""
        return self.ledger.verdict()

    def plan(self, seen: Seen, headers: Mapping[str, str], wire: WireName) -> Plan:
        """What the request is answered with. Rules first; what the client asked the simulator to do wrong comes after.

        Raises Rejected, and ValueError for a directive that this vendor cannot follow.
        """
        self.authorise(headers, wire)
        body = seen.decode()
        card = self._card(body, wire)
        self.account.path = seen.path
        self.account.headers = headers
        ask = wires.rules(wire).read(body, self.vendor, card, self.account)
        silent = list(self.vendor.replay(self.memory, ask))
        self._judge(seen, ask, silent)
        cached = self.prompts.cached(ask.model, ask.prompt)
        prompt = tokens(ask.prompt)
        if prompt > card.context:
            failure = self.vendor.overflow(card, prompt)
            raise Rejected("overflow", "messages", failure.param or failure.message, status=failure.status)
        self.ledger.prompt_tokens += prompt
        self.ledger.cached_tokens += cached
        directive = self._directive(headers, body, ask)
        turn = self._turn(ask, directive, seen.number)
        self._can(turn, wire)
        seen.turn = turn
        return Plan(ask, turn, directive, count(turn, prompt, cached))

    def authorise(self, headers: Mapping[str, str], wire: WireName) -> None:
        """A key where the vendor looks for one, and the right one."""
        key = self.vendor.key(headers, wire)
        if key is None or (self.key is not None and key != self.key):
            raise Rejected("auth", "headers", "the key is not valid" if key else "no key was sent", status=401)

    def _card(self, body: dict[str, Any], wire: WireName) -> ModelCard:
        model = body.get("model")
        if not isinstance(model, str):
            raise Rejected("model", "model", "model: Field required")
        name = directives.without(model)
        card = self.vendor.card(name)
        if card is None or wire not in card.wires:
            gone = name in self.vendor.retired
            raise Rejected("model_gone" if gone else "model_unknown", "model", f"{name!r} is not served", status=404)
        return card

    def _judge(self, seen: Seen, ask: Ask, silent: list[Broken]) -> None:
        """What the vendor takes without a word, and we do not."""
        for broken in silent:
            self.ledger.violation(seen.number, broken.rule, broken.path, broken.message, 200)
        for field, value in ask.ignored:
            if field == "tool_choice":
                self.ledger.violation(seen.number, "tool_choice", field, f"{value} is dropped: only auto is known", 200)
            else:
                self.ledger.ignored[field] += 1
        self.ledger.tolerated.update(ask.tolerated)
        for index, one in enumerate(ask.said):
            if one.role != "assistant" or not one.reasoning:
                continue
            match self.memory.match(ask, index):
                case "same":
                    self.ledger.reasoning_checked += 1
                case "changed":
                    told = "the reasoning passed back is not the one that was sent"
                    self.ledger.violation(seen.number, "reasoning_changed", one.path, told, 200)
                case "reformed":
                    told = f"the reasoning comes back as {one.form}, which is not the form in which it was sent"
                    self.ledger.violation(seen.number, "reasoning_form", one.path, told, 200)
                case "placeholder":
                    self.ledger.placeholders += 1
                case "unknown":
                    pass

    def _directive(self, headers: Mapping[str, str], body: dict[str, Any], ask: Ask) -> Directive:
        _, text, index = task(ask.said)
        directive = directives.find(text, headers.get("x-sim", ""), body["model"])
        step = sum(1 for said in ask.said[index + 1 :] if said.calls) + 1
        late = directive.turn and directive.turn != step
        if not late:
            self._used[directive.text] += 1
        if late or (directive.times >= 0 and self._used[directive.text] > directive.times):
            return msgspec.structs.replace(directive, fault="", value=0.0, wait=0.0, first=0.0)
        return directive

    def _turn(self, ask: Ask, directive: Directive, number: int) -> Turn:
        if self.script:
            entry = self.script.popleft()
            turn = entry(ask) if callable(entry) else entry
            ids = [call.id or f"call_{self._stamp}{number:04x}{i:02x}" for i, call in enumerate(turn.calls)]
            calls = tuple(msgspec.structs.replace(c, id=i) for c, i in zip(turn.calls, ids, strict=True))
            turn = msgspec.structs.replace(turn, calls=calls, reasoning=turn.reasoning if ask.thinking else "")
        else:
            if self.fixed_ids:
                directive = msgspec.structs.replace(directive, fixed_ids=True)
            turn = decide(ask, directive, number, self._stamp)
            turn = msgspec.structs.replace(turn, fault=directive.fault, value=directive.value)
        turn = msgspec.structs.replace(turn, manners=(*self.manners, *directive.manners, *turn.manners))
        return limited(faulty(turn), ask)

    @property
    def _stamp(self) -> str:
        """Tells the vendor in ids of calls: no two vendors give the same one, as a conversation can have several."""
        return self.vendor.id[:2]

    def _can(self, turn: Turn, wire: WireName) -> None:
        """Whether this vendor has the fault and the manners. Raises ValueError."""
        if turn.fault in STATUS_FAULTS and turn.fault not in self.vendor.failures:
            raise ValueError(f"{self.vendor.id} has no error {turn.fault}")
        if turn.fault in FINISH_FAULTS and turn.finish not in wires.speech(wire).words(self.vendor):
            raise ValueError(f"{self.vendor.id} has no such end on {wire}: {turn.fault}")
        for name in turn.manners:
            self._has_manner(name)

    def _has_manner(self, name: str) -> None:
        if name not in self.vendor.manners:
            known = ", ".join(self.vendor.manners) or "none"
            raise ValueError(f"{self.vendor.id} has no manner {name!r}; it has: {known}")
