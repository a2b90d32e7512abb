"""The second one, with a foreign key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "support_0002"
down_revision = "support_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "apples",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("crate", sa.Integer(), sa.ForeignKey("crates.id"), nullable=False),
    )
