"""An upstream that enforces the vendor's documented rules, for the demo, the tests and the benchmarks.

It is an independent witness: nothing of the package's codecs or core is used here, so that an error in them cannot
hide. `running_simulator()` serves one in this process; `dragoman simulate` runs one on its own.
"""

from __future__ import annotations

from dragoman.simulator.app import Simulator, wait_for
from dragoman.simulator.ask import Ask, Call
from dragoman.simulator.brain import Turn
from dragoman.simulator.requests import Seen
from dragoman.simulator.server import running_simulator, serving
from dragoman.simulator.verdict import Verdict, Violation

__all__ = [
    "Ask",
    "Call",
    "Seen",
    "Simulator",
    "Turn",
    "Verdict",
    "Violation",
    "running_simulator",
    "serving",
    "wait_for",
]
