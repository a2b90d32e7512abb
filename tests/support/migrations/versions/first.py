"""The first revision of a package that exists for tests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "support_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("crates", sa.Column("id", sa.Integer(), primary_key=True))
