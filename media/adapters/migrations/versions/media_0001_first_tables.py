"""The first tables of media: feeds, channels, epochs, tape, recordings, jobs.

Later migrations that alter a table use `op.batch_alter_table`: SQLite can alter little in place.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "media_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "channel_epochs",
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_epochs"),
    )
    op.create_table(
        "channels",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("program_feed", sa.String(length=80), nullable=True),
        sa.Column("program_backup", sa.String(length=80), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_channels"),
    )
    op.create_table(
        "epochs",
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("anchor", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "epoch", name="pk_epochs"),
    )
    op.create_table(
        "feeds",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("second_publisher", sa.String(length=16), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("key_hash", sa.String(length=128), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feeds"),
        sa.UniqueConstraint("key_hash", name="uq_feeds_key_hash"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("recording", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("result", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("kind", "recording", name="uq_jobs_kind_recording"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"], unique=False)
    op.create_table(
        "recordings",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recordings"),
    )
    op.create_index("ix_recordings_channel_started", "recordings", ["channel", "started"], unique=False)
    op.create_table(
        "tape_gaps",
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("channel", "starts", name="pk_tape_gaps"),
    )
    op.create_table(
        "tape_inits",
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("rendition", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("codecs", sa.String(length=64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bitrate", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "epoch", "rendition", name="pk_tape_inits"),
    )
    op.create_table(
        "tape_segments",
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("rendition", sa.String(length=32), nullable=False),
        sa.Column("msn", sa.BigInteger(), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("decode_time", sa.BigInteger(), nullable=False),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("timescale", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "epoch", "rendition", "msn", name="pk_tape_segments"),
    )
    op.create_index("ix_tape_segments_channel_ends", "tape_segments", ["channel", "ends"], unique=False)
    op.create_index("ix_tape_segments_channel_starts", "tape_segments", ["channel", "starts"], unique=False)


def downgrade() -> None:
    """Drop every table."""
    op.drop_index("ix_tape_segments_channel_starts", table_name="tape_segments")
    op.drop_index("ix_tape_segments_channel_ends", table_name="tape_segments")
    op.drop_table("tape_segments")
    op.drop_table("tape_inits")
    op.drop_table("tape_gaps")
    op.drop_index("ix_recordings_channel_started", table_name="recordings")
    op.drop_table("recordings")
    op.drop_index("ix_jobs_state", table_name="jobs")
    op.drop_table("jobs")
    op.drop_table("feeds")
    op.drop_table("epochs")
    op.drop_table("channels")
    op.drop_table("channel_epochs")
