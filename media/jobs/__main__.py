"""PROCESS jobs: MP4 exports of recordings. Started by ``gachi jobs`` and ``gachi serve``."""

from __future__ import annotations

from media.jobs.process import main

__all__ = ["main"]
