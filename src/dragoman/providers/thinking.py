"""The decision on thinking: what this call says of it, and whether the model will think.

In: what the client asked, what the history shows, the profile and the model. Out: the fields to send, whether lost
reasoning must be stood in for, and notes. The order is: a clear no of the client; the model's own reasoning in the
history, where the vendor wants it back; the request; the configured default. Knows no vendor by name.
"""

from __future__ import annotations

import msgspec

from dragoman.core.messages import WireName
from dragoman.core.notes import Note
from dragoman.core.profile import ModelFacts, Profile, ThinkingDefault
from dragoman.core.replay import History
from dragoman.core.request import EFFORTS, Effort, ReasoningAsk
from dragoman.core.shape import Thinking

_EFFORT_STYLES = frozenset({"effort", "object", "type_effort"})
_WORDED = frozenset({"effort", "object"})
"""Styles in which off is an effort like any other."""
_BUDGETS: dict[str, int] = {
    "minimal": 1024,
    "low": 4096,
    "medium": 8192,
    "high": 16384,
    "xhigh": 24576,
    "max": 32768,
}
"""Thinking tokens for an effort, for vendors that want a number."""
_LEAST_BUDGET = 1024
"""The smallest thinking budget that the Messages protocol takes."""
FIELDS: dict[WireName, str] = {
    "chat": "reasoning_effort",
    "responses": "reasoning.effort",
    "messages": "output_config.effort",
}
"""Where each client protocol says how hard to think."""


class Decision(msgspec.Struct, frozen=True):
    """shape: the fields to send. active: the model will think, as far as we know."""

    shape: Thinking = Thinking()
    active: bool = True
    notes: tuple[Note, ...] = ()


class Case(msgspec.Struct, frozen=True):
    """All that the decision depends on.

    client, wire: the protocols spoken by the client and upstream. default: what an unset ask means. max_tokens: the
    output limit, if any.
    """

    ask: ReasoningAsk
    client: WireName
    profile: Profile
    model: ModelFacts
    history: History = History()
    default: ThinkingDefault = "vendor"
    max_tokens: int | None = None
    wire: WireName = "chat"

    @property
    def steerable(self) -> bool:
        """Whether this wire of the provider has a field for thinking at all."""
        if self.wire == "messages":
            return self.profile.anthropic_thinking != "none"
        return self.wire == "responses" or self.profile.thinking != "none"

    @property
    def can_be_off(self) -> bool:
        """Whether thinking can be switched off by request."""
        return self.wire == "messages" or self.profile.thinking not in _WORDED or "none" in self.profile.efforts

    @property
    def graded(self) -> bool:
        """Whether an effort can be said, beside on and off."""
        if self.wire == "messages":
            return self.profile.anthropic_thinking == "full"
        return self.wire == "responses" or self.profile.thinking in _EFFORT_STYLES


def decide(case: Case) -> Decision:
    """Whether to switch thinking on or off or to say nothing, and how hard to think."""
    profile, model, ask = case.profile, case.model, case.ask
    field = FIELDS[case.client]
    wanted = ask.asked or ask.adaptive or ask.budget is not None or ask.effort is not None
    if model.thinking == "none" or not case.steerable:
        notes: tuple[Note, ...] = ()
        if wanted and not (model.thinking == "none" and ask.effort == "none"):
            notes = (Note("param_dropped", field, "thinking cannot be steered on this model"),)
        return Decision(Thinking(), model.thinking not in ("none", "off"), notes)
    fixed = model.thinking == "forced" or not model.thinking_switchable
    if fixed:
        return _fixed(case, field)
    if ask.effort == "none":
        return _off(case, field)
    required = profile.replay in ("tool_turns", "always")
    if required and case.history.own_turns:
        decision = _on(case, field)
        if not wanted and _unset(case) == "off":
            forced = Note("thinking_forced", field, "the history holds the model's own reasoning")
            decision = msgspec.structs.replace(decision, notes=(*decision.notes, forced))
        return decision
    if wanted:
        return _on(case, field)
    if _unset(case) == "off":
        return Decision(Thinking("off"), False) if case.can_be_off else Decision(Thinking(), _thinks(model))
    return Decision(Thinking(), _thinks(model))


def _thinks(model: ModelFacts) -> bool:
    """Whether the model thinks when nothing is said. Unknown counts as yes: lost reasoning is what vendors refuse."""
    return model.thinking not in ("off", "none")


def _unset(case: Case) -> str:
    """What saying nothing means: off, or nothing at all."""
    if case.default == "auto":
        return "off" if case.client == "responses" else "unset"
    return "off" if case.default == "off" else "unset"


def _fixed(case: Case, field: str) -> Decision:
    """A model that always thinks: only how hard can be asked."""
    if case.ask.effort == "none":
        note = Note("effort_coerced", field, "this model always thinks")
        return Decision(Thinking(), True, (note,))
    if case.ask.effort is not None and case.graded:
        return _on(case, field)
    return Decision(Thinking(), True)


def _off(case: Case, field: str) -> Decision:
    if case.can_be_off:
        return Decision(Thinking("off", case.profile.efforts.get("none")), False)
    word = _nearest("none", case.profile.efforts)
    note = Note("effort_coerced", field, "thinking cannot be switched off here; the least effort is sent")
    return Decision(Thinking("on", word), True, (note,))


def _on(case: Case, field: str) -> Decision:
    profile, ask = case.profile, case.ask
    notes: list[Note] = []
    effort = _effort(case, field, notes)
    budget = None
    if profile.thinking == "budget" or (ask.budget is not None and profile.anthropic_thinking == "full"):
        budget = _budget(ask, case, notes)
    return Decision(Thinking("on", effort, budget), True, tuple(notes))


def _effort(case: Case, field: str, notes: list[Note]) -> str | None:
    """The vendor's word for the effort that is asked."""
    asked, efforts = case.ask.effort, case.profile.efforts
    if asked in (None, "none"):
        # The Responses protocol has no other way to say on.
        return (_nearest("medium", efforts) or "medium") if case.wire == "responses" else None
    if not case.graded:
        if case.profile.thinking != "budget":
            notes.append(Note("effort_coerced", field, "thinking is on or off here; the effort itself is not sent"))
        return None
    word = _nearest(asked, efforts) or asked
    if word != asked:
        notes.append(Note("effort_coerced", field, f"{asked} was sent as {word}"))
    return word


def _nearest(asked: Effort, efforts: dict[str, str]) -> str | None:
    """The word of the nearest effort that the vendor has; of two that are equally near, the higher."""
    if asked in efforts:
        return efforts[asked]
    here = EFFORTS.index(asked)
    have = [e for e in EFFORTS if e in efforts and e != "none"]
    if not have:
        return None
    return efforts[min(have, key=lambda e: (abs(EFFORTS.index(e) - here), -EFFORTS.index(e)))]


def _budget(ask: ReasoningAsk, case: Case, notes: list[Note]) -> int:
    """Thinking tokens: what was asked, below the output limit with room for an answer."""
    wanted = ask.budget if ask.budget is not None else _BUDGETS[ask.effort or "medium"]
    limit = case.max_tokens or case.model.max_output
    if limit is not None:
        wanted_room = max(limit - max(limit // 4, 1), 1)
        if wanted > wanted_room:
            wanted = max(min(wanted, wanted_room), min(_LEAST_BUDGET, limit - 1))
            notes.append(Note("param_clamped", "thinking.budget_tokens", f"{wanted} leaves room for the answer"))
    return wanted
