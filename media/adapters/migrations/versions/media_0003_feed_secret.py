"""What a feed's other side must know: the passphrase of SRT, the password of a camera."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "media_0003"
down_revision = "media_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; feeds that are there need no secret."""
    with op.batch_alter_table("feeds") as batch:
        batch.add_column(sa.Column("secret", sa.Text(), nullable=False, server_default=""))
