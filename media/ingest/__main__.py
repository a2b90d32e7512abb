"""PROCESS ingest: owns the RTMP port and every feed. Started by ``gachi ingest`` and ``gachi serve``."""

from __future__ import annotations

from media.ingest.process import main

__all__ = ["main"]
