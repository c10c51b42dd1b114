"""The first call of an answer, and what may make further calls of it: the same for library and gateway.

In: a request, what plans it, its search. Out: the plan, and the conductors in the order in which events pass them.
"""

from __future__ import annotations

from collections.abc import Callable

from dragoman.client.pauses import resume_paused
from dragoman.client.rounds import Conductor, Dialogue
from dragoman.client.searching import SearchRun
from dragoman.client.structured import schema_check
from dragoman.core.request import Request
from dragoman.providers.plan import Plan
from dragoman.wire.base import Mint


def open_answer(
    request: Request, make: Callable[[Request], Plan], search: SearchRun, mint: Mint
) -> tuple[Plan, tuple[Conductor, ...]]:
    """make: plans a call of this answer, the first one and those that follow. Raises DragomanError.

    A turn is whole before its searches are looked at, and they are over before the form is checked: only the text of
    the last round is judged.
    """
    made = make(request)
    talk = Dialogue(request, make)
    paused = resume_paused(request, made, talk)
    return made, (*paused, *search.conductors(made, talk, mint), *schema_check(request, made, talk))
