"""MiniMax: asks for reasoning in a field of its own instead of tags in the text (OpenAI-compatible API page, 2026)."""

from __future__ import annotations

from typing import Any

from dragoman.core.messages import WireName
from dragoman.core.profile import ModelFacts
from dragoman.core.shape import Thinking
from dragoman.providers.vendor import Vendor


class MiniMax(Vendor):
    """The split form of reasoning on the Chat wire; it changes the form only, not whether the model thinks."""

    def extra_body(self, wire: WireName, model: ModelFacts, thinking: Thinking) -> dict[str, Any]:
        """`reasoning_split` for every model that can think."""
        return {"reasoning_split": True} if wire == "chat" and model.thinking != "none" else {}
