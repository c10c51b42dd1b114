"""Zhipu GLM: keeps the thinking of earlier turns in the prompt, which a tool loop needs (docs.z.ai, thinking mode)."""

from __future__ import annotations

from typing import Any

from dragoman.core.messages import WireName
from dragoman.core.profile import ModelFacts
from dragoman.core.shape import Thinking
from dragoman.providers.vendor import Vendor


class Zhipu(Vendor):
    """Preserved thinking on the Chat wire."""

    def extra_body(self, wire: WireName, model: ModelFacts, thinking: Thinking) -> dict[str, Any]:
        """`thinking.clear_thinking` off where thinking is on."""
        return {"thinking": {"clear_thinking": False}} if wire == "chat" and thinking.mode == "on" else {}
