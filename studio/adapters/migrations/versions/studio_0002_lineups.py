"""What shows are to sell."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "studio_0002"
down_revision = "studio_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "show_lineups",
        sa.Column("show", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("show", name="pk_show_lineups"),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("show_lineups")
