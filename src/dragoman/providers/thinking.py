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
_NO_BUDGET = Note("param_dropped", "thinking.budget_tokens", "thinking takes no number of tokens here")


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
        if self.wire == "responses":
            return self.profile.reasoning_effort
        return self.profile.thinking != "none"

    @property
    def room(self) -> int | None:
        """Tokens for thinking and answer together, None where that is not known."""
        return self.max_tokens or self.model.max_output

    @property
    def switchable(self) -> bool:
        """Whether this model may be asked not to think."""
        return self.model.thinking_switchable and self.model.thinking != "forced" and self.can_be_off

    @property
    def can_be_off(self) -> bool:
        """Whether thinking can be switched off by request."""
        return self.wire == "messages" or self.profile.thinking not in _WORDED or "none" in self.profile.efforts

    @property
    def keeps(self) -> bool:
        """Whether the vendor keeps earlier reasoning only where thinking is switched on by name."""
        return self.wire == "chat" and bool(self.profile.thinking_fields)

    @property
    def graded(self) -> bool:
        """Whether an effort can be said, beside on and off."""
        if self.wire == "messages":
            style = self.profile.anthropic_thinking
            return style == "effort" or (style == "full" and self.profile.thinking != "budget")
        return self.wire == "responses" or self.profile.thinking in _EFFORT_STYLES

    @property
    def budgeted(self) -> bool:
        """Whether a number of thinking tokens can be said in place of an effort."""
        if self.wire == "messages":
            return self.profile.anthropic_thinking == "full"
        return self.wire == "chat" and self.profile.thinking == "object" and self.ask.effort is None


def decide(case: Case) -> Decision:
    """Whether to switch thinking on or off or to say nothing, and how hard to think."""
    decision = _decide(case)
    bare = case.history.bare_loop and case.wire == "messages" and case.profile.signatures
    if not bare or decision.shape.mode != "on" or case.ask.adaptive:
        return decision
    # With a budget the last turn of an open tool loop must begin with signed thinking, and nobody can make that up.
    if case.profile.thinking == "budget":
        told = "the tool loop was begun without this model's thinking; it thinks again when the loop has ended"
        return Decision(Thinking("off"), False, (Note("param_dropped", FIELDS[case.client], told),))
    notes = (*decision.notes, _NO_BUDGET) if decision.shape.budget is not None else decision.notes
    shape = msgspec.structs.replace(decision.shape, budget=None, free=True)
    return msgspec.structs.replace(decision, shape=shape, notes=notes)


def _decide(case: Case) -> Decision:
    profile, model, ask = case.profile, case.model, case.ask
    field = FIELDS[case.client]
    wanted = ask.asked or ask.adaptive or ask.budget is not None or ask.effort is not None
    if model.thinking == "none" or not case.steerable:
        notes: tuple[Note, ...] = ()
        if wanted and not (model.thinking == "none" and ask.effort == "none"):
            where = "on this model" if model.thinking == "none" else "here"
            notes = (Note("param_dropped", field, f"thinking cannot be steered {where}"),)
        return Decision(Thinking(), model.thinking not in ("none", "off"), notes)
    fixed = model.thinking == "forced" or not model.thinking_switchable
    if fixed:
        return _fixed(case, field)
    if ask.effort == "none" or _means_off(case):
        return _off(case, field)
    required = profile.replay in ("tool_turns", "always") or (case.keeps and _unset(case) != "off")
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


def _means_off(case: Case) -> bool:
    """Whether the vendor's word for the asked effort is the one that switches thinking off."""
    effort, efforts = case.ask.effort, case.profile.efforts
    return case.wire != "messages" and effort in efforts and efforts[effort] == efforts.get("none")


def _fixed(case: Case, field: str) -> Decision:
    """A model that always thinks: only how hard can be asked, and that earlier reasoning is kept."""
    effort = case.ask.effort
    if effort == "none":
        word = _least(case.profile.efforts) if case.graded else None
        least = f"; {word}, its least effort, is sent" if word else ""
        note = Note("effort_coerced", field, f"this model always thinks{least}")
        return Decision(Thinking("on", word) if word else Thinking(), True, (note,))
    if effort is not None and case.graded:
        return _on(case, field)
    if case.keeps and (effort is not None or case.ask.asked or case.history.own_turns):
        return _on(case, field)
    if effort is not None:
        return Decision(Thinking(), True, (Note("effort_coerced", field, "this model's thinking has no degrees"),))
    return Decision(Thinking(), True, () if case.ask.budget is None else (_NO_BUDGET,))


def _off(case: Case, field: str) -> Decision:
    asked = case.ask.effort
    if case.can_be_off:
        notes = () if asked == "none" else (Note("effort_coerced", field, f"{asked} switches thinking off here"),)
        return Decision(Thinking("off", case.profile.efforts.get("none")), False, notes)
    word = _least(case.profile.efforts)
    note = Note("effort_coerced", field, "thinking cannot be switched off here; the least effort is sent")
    return Decision(Thinking("on", word), True, (note,))


def _on(case: Case, field: str) -> Decision:
    profile, ask = case.profile, case.ask
    notes: list[Note] = []
    effort = _effort(case, field, notes)
    budget = None
    if profile.thinking == "budget" or (ask.budget is not None and case.budgeted):
        if case.room is not None and case.room <= _LEAST_BUDGET and case.switchable:
            told = f"an output limit of {case.room} tokens leaves no room for thinking"
            return Decision(Thinking("off"), False, (Note("param_dropped", field, told),))
        budget = _budget(ask, case, notes)
    elif ask.budget is not None:
        notes.append(_NO_BUDGET)
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


def _least(efforts: dict[str, str]) -> str | None:
    """The word of the least effort that still thinks."""
    return next(
        (efforts[e] for e in EFFORTS if e != "none" and e in efforts and efforts[e] != efforts.get("none")), None
    )


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
    limit = case.room
    if limit is not None:
        wanted_room = max(limit - max(limit // 4, 1), 1)
        if wanted > wanted_room:
            wanted = max(min(wanted, wanted_room), min(_LEAST_BUDGET, limit - 1))
            notes.append(Note("param_clamped", "thinking.budget_tokens", f"{wanted} leaves room for the answer"))
    return wanted
