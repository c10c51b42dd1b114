"""The library face: transport, engine, retry policy, streams, tools and the Client."""

from __future__ import annotations

from dragoman.client.aiohttp_transport import AiohttpTransport
from dragoman.client.client import Client, Models, ModelStatus
from dragoman.client.engine import Engine
from dragoman.client.ids import new_id
from dragoman.client.retry import RetryPolicy, Timeouts
from dragoman.client.run import Run
from dragoman.client.running import EventSink
from dragoman.client.stream import Answer, Stream
from dragoman.client.tools import FunctionTool, Toolbox, tool
from dragoman.client.transport import Exchange, HttpCall, Sink, Transport

__all__ = [
    "AiohttpTransport",
    "Answer",
    "Client",
    "Engine",
    "EventSink",
    "Exchange",
    "FunctionTool",
    "HttpCall",
    "ModelStatus",
    "Models",
    "RetryPolicy",
    "Run",
    "Sink",
    "Stream",
    "Timeouts",
    "Toolbox",
    "Transport",
    "new_id",
    "tool",
]
