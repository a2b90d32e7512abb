"""How the bridge's tables came to be: Alembic's steps, on a branch of their own."""

from __future__ import annotations

from pathlib import Path

from commerce_bridge.adapters.sql import METADATA
from runtime.migrations import Branch

SCRIPTS = Path(__file__).resolve().parent
BRANCH = Branch("commerce_bridge", METADATA, SCRIPTS)

__all__ = ["BRANCH", "METADATA", "SCRIPTS"]
