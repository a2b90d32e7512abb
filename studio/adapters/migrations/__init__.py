"""How the studio's tables came to be: Alembic's steps, on a branch of their own."""

from __future__ import annotations

from pathlib import Path

from runtime.migrations import Branch
from studio.adapters.sql import METADATA
from studio.adapters.sql_lineups import lineups

SCRIPTS = Path(__file__).resolve().parent
BRANCH = Branch("studio", METADATA, SCRIPTS)
assert lineups.metadata is METADATA  # its table is in the metadata once its module is imported

__all__ = ["BRANCH", "METADATA", "SCRIPTS"]
