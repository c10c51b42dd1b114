"""What a simulated vendor serves and demands, as data. Facts and their sources: docs/providers.

A profile names the models with their limits and the rules that are switches; the rules themselves stand in
`chat_rules` and `messages_rules`.
"""

from __future__ import annotations

import msgspec


class ModelCard(msgspec.Struct, frozen=True):
    """One served model. context and max_output in tokens. media: takes images, sound and film."""

    id: str
    context: int = 1_048_576
    max_output: int = 131_072
    default_output: int = 131_072
    media: bool = True
    thinking: bool = True


class Vendor(msgspec.Struct, frozen=True):
    """How strict the simulated upstream is.

    retired: names that once were served, answered with their own 404. forced: sampling fields that thinking mode
    overrides, with the value that the server uses.
    """

    id: str
    owner: str
    models: tuple[ModelCard, ...]
    retired: tuple[str, ...] = ()
    max_tools: int = 128
    tool_name: str = "[A-Za-z0-9_-]{1,64}"
    max_stop: int = 4
    temperature: tuple[float, float] = (0.0, 1.5)
    top_p: tuple[float, float] = (0.01, 1.0)
    forced: tuple[tuple[str, float], ...] = ()
    reasoning_required: bool = True

    def card(self, model: str) -> ModelCard | None:
        """The card of a served model."""
        return next((card for card in self.models if card.id == model), None)


XIAOMI = Vendor(
    id="xiaomi",
    owner="xiaomi",
    models=(
        ModelCard("mimo-v2.6-pro"),
        ModelCard("mimo-v2.6-flash"),
        ModelCard("mimo-v2.6-pro-ultraspeed"),
        # Announced to stop on 2026-10-21; whether they did is not known, and self-hosted servers still have them.
        ModelCard("mimo-v2.5-pro", media=False),
        ModelCard("mimo-v2.5", default_output=32_768),
    ),
    retired=("mimo-v2-pro", "mimo-v2-omni", "mimo-v2-flash"),
    forced=(("temperature", 1.0), ("top_p", 0.95)),
)

VENDORS: dict[str, Vendor] = {XIAOMI.id: XIAOMI}
