"""MiniMax's models as constants, for programs that name one in code: `client.complete(model=minimax.M3, ...)`.

Names are `provider:model` at the international host; `cn(name)` is the same model at the Chinese one, which has keys of
its own. The rows are those of the shipped catalogue.
"""

from __future__ import annotations

from dragoman.catalog.facts import models
from dragoman.catalog.rows import ModelRow

M3 = "minimax:MiniMax-M3"
M3_1_FLASH_PREVIEW = "minimax:MiniMax-M3.1-Flash-Preview"
M2_7 = "minimax:MiniMax-M2.7"
M2_7_HIGHSPEED = "minimax:MiniMax-M2.7-highspeed"
M2_5 = "minimax:MiniMax-M2.5"
M2_5_HIGHSPEED = "minimax:MiniMax-M2.5-highspeed"
M2_1 = "minimax:MiniMax-M2.1"
M2_1_HIGHSPEED = "minimax:MiniMax-M2.1-highspeed"
M2 = "minimax:MiniMax-M2"

MODELS: tuple[ModelRow, ...] = models("minimax")
"""Every model of the international host."""
MODELS_CN: tuple[ModelRow, ...] = models("minimax-cn")
"""Every model of the Chinese host. What it charges there is not known."""


def cn(name: str) -> str:
    """The name of the same model at the Chinese host."""
    return f"minimax-cn:{name.partition(':')[2] or name}"
