"""The client's tool choice made fit for one upstream: which tools are offered, and what is said of them.

A choice that the upstream does not know is weakened with a note. A forced tool that cannot be had is refused: the
client would wait for a call that never comes.
"""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.core.notes import Note
from dragoman.core.offers import Offer, is_meant
from dragoman.core.profile import Profile
from dragoman.core.tools import ToolChoice, ToolRef
from dragoman.errors import InvalidRequest


def choose(
    asked: ToolChoice | None, offers: list[Offer], profile: Profile, notes: list[Note]
) -> tuple[list[Offer], ToolChoice | None]:
    """The tools that may be called and the choice among them that goes upstream (None: say nothing).

    Raises InvalidRequest.
    """
    choice = asked or ToolChoice()
    takes = profile.tool_choices
    if choice.mode == "none":
        return (offers, ToolChoice("none")) if offers and "none" in takes else ([], None)
    if choice.mode == "named":
        return offers, _named(choice.tool, offers, takes, notes)
    required = choice.mode == "required" or (choice.mode == "allowed" and choice.required)
    if choice.mode == "allowed":
        offers = [offer for offer in offers if any(is_meant(offer.tool, ref) for ref in choice.allowed)]
        if not offers:
            raise InvalidRequest("none of the allowed tools can be offered; allow one that is declared",
                                 param="tool_choice.tools")  # fmt: skip
    if required:
        if not offers:
            raise InvalidRequest("a tool call is required, but no tool can be offered; declare one that this "
                                 "provider takes, or ask for auto", param="tool_choice")  # fmt: skip
        if "required" in takes and not any(offer.forced for offer in offers):
            return offers, ToolChoice("required")
        if not any(offer.forced for offer in offers):
            notes.append(_weakened("a call cannot be required here"))
    return offers, _auto(offers, profile)


def _auto(offers: Sequence[Offer], profile: Profile) -> ToolChoice | None:
    return ToolChoice() if offers and profile.send_auto_choice and "auto" in profile.tool_choices else None


def _weakened(why: str) -> Note:
    return Note("tool_choice_weakened", "tool_choice", why)


def _named(ref: ToolRef | None, offers: Sequence[Offer], takes: frozenset[str], notes: list[Note]) -> ToolChoice | None:
    """A tool that must be called."""
    fits = [offer for offer in offers if is_meant(offer.tool, ref)]
    match = next((offer for offer in fits if ref and offer.tool.kind == ref.kind), fits[0] if fits else None)
    if match is None or ref is None:
        name = ref.name if ref else ""
        raise InvalidRequest(
            f"tool_choice asks for {name!r}, which is not among the tools that can be offered; declare it, or ask for "
            "auto", param="tool_choice",
        )  # fmt: skip
    if match.forced:
        return ToolChoice() if "auto" in takes else None
    if "named" in takes:
        entry = match.entry
        return ToolChoice("named", ToolRef(entry.upstream, entry.upstream_kind, entry.upstream_namespace))
    notes.append(_weakened("a single tool cannot be forced here"))
    return ToolChoice() if "auto" in takes else None
