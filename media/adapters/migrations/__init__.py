"""Alembic migrations of media's tables: a line of their own, with a version table of their own."""

from __future__ import annotations

from pathlib import Path

from media.adapters.sql.tables import METADATA

SCRIPTS = Path(__file__).parent
"""The folder that holds `versions/`."""

__all__ = ["METADATA", "SCRIPTS"]
