"""Pricing of usage: used by gateway, agent and library alike."""

from __future__ import annotations

from dragoman.cost.price import Cost, price

__all__ = ["Cost", "price"]
