"""The first table of the studio: shows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "studio_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "shows",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shows"),
    )
    op.create_index("ix_shows_created_id", "shows", ["created", "id"])
    live = sa.text("state = 'live'")
    op.create_index(
        "ux_shows_live_channel", "shows", ["channel"], unique=True, sqlite_where=live, postgresql_where=live
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("shows")
