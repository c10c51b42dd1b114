"""Who is to answer a call: a provider and a model, with the account and settings that serve them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.catalog import ProviderRow
from dragoman.core.messages import WireName
from dragoman.core.profile import ForeignReasoning, ModelFacts, ThinkingDefault, UnsupportedMedia
from dragoman.core.replay import ReplayTarget


class Target(msgspec.Struct, frozen=True):
    """Who is to answer.

    provider, model: from the catalogue. key: the account's, never shown. account: its name. wire: None leaves the
    choice to the rows. base_url: the account's own. headers: the account's further headers. extra_body: merged into
    the body. thinking_default: the person's, before that of the rows. strict_usage: a malformed usage report fails the
    call. native: the body may pass through where the row allows it. foreign_reasoning: None leaves the row's.
    media_unsupported: what becomes of media in the newest user turn that the model cannot take. own_files: file ids
    are this provider's own whatever protocol the request speaks.
    """

    provider: ProviderRow
    model: ModelFacts
    key: str | None = None
    account: str = ""
    wire: WireName | None = None
    base_url: str | None = None
    headers: Mapping[str, str] = {}
    extra_body: Mapping[str, Any] = {}
    thinking_default: ThinkingDefault | None = None
    strict_usage: bool = False
    native: bool = True
    foreign_reasoning: ForeignReasoning | None = None
    media_unsupported: UnsupportedMedia = "error"
    own_files: bool = False

    def __repr__(self) -> str:
        return f"Target({self.provider.id}:{self.model.id}, account={self.account!r})"


def replay_target(target: Target, wire: WireName) -> ReplayTarget:
    """For whom the history is made fit."""
    row, facts = target.provider, target.model
    return ReplayTarget(
        row.id,
        facts.family,
        wire,
        row.profile_on(wire),
        facts.id,
        facts.inputs,
        foreign_reasoning=target.foreign_reasoning or row.foreign_reasoning,
        media_unsupported=target.media_unsupported,
    )
