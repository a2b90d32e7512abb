"""How web's tables came to be: Alembic's steps, on a branch of their own."""

from __future__ import annotations

from pathlib import Path

from runtime.migrations import Branch
from web.adapters.tables import METADATA

SCRIPTS = Path(__file__).resolve().parent
BRANCH = Branch("web", METADATA, SCRIPTS)

__all__ = ["BRANCH", "METADATA", "SCRIPTS"]
