"""PROCESS node: channels and one supervised worker for each. Started by ``gachi node`` and ``gachi serve``."""

from __future__ import annotations

from media.node.process import main

__all__ = ["main"]
