"""A child whose import takes as long as that of codecs does."""

from __future__ import annotations

import time

from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline

time.sleep(1.0)


async def main(_settings: Settings, lifeline: Lifeline) -> None:
    """Ready, then wait."""
    lifeline.ready(born=time.monotonic())
    await lifeline.stopping()
