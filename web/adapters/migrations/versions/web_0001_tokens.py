"""The first table of web: API tokens and log-in sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "web_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "web_tokens",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("parent", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_web_tokens"),
    )
    op.create_index("ix_web_tokens_parent", "web_tokens", ["parent"])
    op.create_index("ix_web_tokens_expires", "web_tokens", ["expires"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("web_tokens")
