"""Recordings of feeds as they came, and their parts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "media_0004"
down_revision = "media_0003"
branch_labels = None
depends_on = None

_ID = sa.String(80)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "isos",
        sa.Column("id", _ID, nullable=False),
        sa.Column("feed", _ID, nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_isos"),
    )
    op.create_index("ix_isos_feed_started", "isos", ["feed", "started"])
    op.create_table(
        "iso_parts",
        sa.Column("iso", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("video", sa.String(16), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("audio", sa.String(16), nullable=False),
        sa.Column("sample_rate", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("placements", sa.JSON(), nullable=False),
        sa.Column("holes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("iso", "number", name="pk_iso_parts"),
    )
    op.create_index("ix_iso_parts_closed", "iso_parts", ["closed"])
