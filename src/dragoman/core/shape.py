"""What a wire needs to know to write an upstream request, beside the prepared request itself."""

from __future__ import annotations

from typing import Literal

import msgspec

from dragoman.core.profile import Profile, Range


class Thinking(msgspec.Struct, frozen=True, omit_defaults=True):
    """The plan's decision on thinking. unset leaves every field out. effort: the vendor's own word. budget: tokens.

    free: Messages: the model is to decide by itself how much it thinks, whatever the client said of that.
    """

    mode: Literal["unset", "on", "off"] = "unset"
    effort: str | None = None
    budget: int | None = None
    free: bool = False


class Shape(msgspec.Struct, frozen=True):
    """How to write one upstream request. model: the vendor's model id."""

    model: str
    profile: Profile = Profile()
    thinking: Thinking = Thinking()

    @staticmethod
    def full(model: str) -> Shape:
        """A shape that leaves everything as it is: for the round-trip law, and for servers that take all of it."""
        return Shape(
            model,
            Profile(
                max_tokens_field="max_completion_tokens",
                merge_system=False,
                null_content=True,
                content_parts=True,
                parallel_tool_calls=True,
                strict_tools=True,
                custom_tools=True,
                hosted_tools=True,
                response_formats=frozenset({"text", "json_object", "json_schema"}),
                json_word=False,
                temperature=Range(-1e9, 1e9),
                top_p=Range(-1e9, 1e9),
                stop_max=1_000_000,
                thinking="effort",
                reasoning_asks=frozenset({"summary", "context"}),
                reasoning_details=True,
                media_in_tool_results=True,
                media_detail=True,
                documents_in_tool_results=True,
                cache_marks=True,
                signatures=True,
                anthropic_thinking="full",
                extra_passthrough=True,
            ),
        )
