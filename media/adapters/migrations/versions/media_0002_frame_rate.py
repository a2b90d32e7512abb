"""The frame rate of a rendition, for the replay's multivariant playlist."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "media_0002"
down_revision = "media_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of older tape the rate stays unknown."""
    with op.batch_alter_table("tape_inits") as batch:
        batch.add_column(sa.Column("frame_rate", sa.Integer(), nullable=False, server_default="0"))
