"""What data cannot say about providers, and the plan: a request made ready for one of them."""

from __future__ import annotations

from dragoman.providers.explain import explain
from dragoman.providers.plan import Plan, plan
from dragoman.providers.target import Target

__all__ = ["Plan", "Target", "explain", "plan"]
