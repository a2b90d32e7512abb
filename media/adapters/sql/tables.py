"""All tables of media, as SQLAlchemy Core metadata. One file, so that a migration can be compared with it.

Times are microseconds on the Unix scale in `BigInteger` columns: no database's own time type keeps programme time
exactly, and none is the same on SQLite and PostgreSQL.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from runtime.database import NAMING

METADATA = MetaData(naming_convention=NAMING)

ID = String(80)
"""Identifiers of ours: lower case letters, digits, hyphens."""

feeds = Table(
    "feeds",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False, default=""),
    Column("second_publisher", String(16), nullable=False, default="refuse"),
    Column("options", JSON, nullable=False, default=dict),
    Column("key_hash", String(128), nullable=True),  # hex; NULL for kinds that nobody pushes to
    # As it is, for it must be used: passphrases of SRT, cameras' passwords. Whoever can read the database can use it.
    Column("secret", Text, nullable=False, default="", server_default=""),
    Column("version", Integer, nullable=False, default=1),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("key_hash"),
)

channels = Table(
    "channels",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("settings", JSON, nullable=False),
    Column("version", Integer, nullable=False, default=1),
    Column("wanted", Boolean, nullable=False, default=True),
    Column("program_feed", ID, nullable=True),
    Column("program_backup", ID, nullable=True),
    Column("created_at", BigInteger, nullable=False),
)

channel_epochs = Table(
    # The counter that `UPDATE … SET epoch = epoch + 1 RETURNING` makes atomic on both databases. Apart from
    # `channels`, so that an epoch is never given twice even when a channel is deleted and made again.
    "channel_epochs",
    METADATA,
    Column("channel", ID, primary_key=True),
    Column("epoch", Integer, nullable=False),
)

epochs = Table(
    "epochs",
    METADATA,
    Column("channel", ID, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("anchor", BigInteger, nullable=False),  # programme time of media time 0
    Column("claimed_at", BigInteger, nullable=False),  # wall time
    PrimaryKeyConstraint("channel", "epoch"),
)

tape_inits = Table(
    "tape_inits",
    METADATA,
    Column("channel", ID, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("rendition", String(32), nullable=False),
    Column("key", String(255), nullable=False),
    Column("codecs", String(64), nullable=False),
    Column("width", Integer, nullable=False, default=0),
    Column("height", Integer, nullable=False, default=0),
    Column("bitrate", Integer, nullable=False, default=0),
    Column("frame_rate", Integer, nullable=False, default=0, server_default="0"),
    PrimaryKeyConstraint("channel", "epoch", "rendition"),
)

tape_segments = Table(
    "tape_segments",
    METADATA,
    Column("channel", ID, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("rendition", String(32), nullable=False),
    Column("msn", BigInteger, nullable=False),
    Column("starts", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),  # starts + duration in µs, so that overlap is one comparison
    Column("decode_time", BigInteger, nullable=False),
    Column("duration", BigInteger, nullable=False),
    Column("timescale", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("key", String(255), nullable=False),
    Column("truncated", Boolean, nullable=False, default=False),
    PrimaryKeyConstraint("channel", "epoch", "rendition", "msn"),
    Index(None, "channel", "starts"),
    Index(None, "channel", "ends"),
)

tape_gaps = Table(
    # Only the gaps whose cause the recorder or retention knew; where the holes are is computed from the segments.
    "tape_gaps",
    METADATA,
    Column("channel", ID, nullable=False),
    Column("starts", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column("cause", String(16), nullable=False),
    PrimaryKeyConstraint("channel", "starts"),
)

recordings = Table(
    "recordings",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("channel", ID, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger, nullable=False, default=0),  # 0 while it runs
    Column("deleted", BigInteger, nullable=False, default=0),  # wall time of the deletion, 0 while it stands
    Column(
        "size", BigInteger, nullable=False, default=0
    ),  # bytes on tape; kept once it ended and has settled
    Index(None, "channel", "started"),
)

isos = Table(
    "isos",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("feed", ID, nullable=False),
    Column("started", BigInteger, nullable=False),  # wall time, as all of these
    Column("ended", BigInteger, nullable=False, default=0),  # 0 while it runs
    Column("deleted", BigInteger, nullable=False, default=0),  # 0 while it stands
    Index(None, "feed", "started"),
)

iso_parts = Table(
    "iso_parts",
    METADATA,
    Column("iso", ID, nullable=False),
    Column("number", Integer, nullable=False),
    Column("cause", String(16), nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("duration", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("video", String(16), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("audio", String(16), nullable=False),
    Column("sample_rate", Integer, nullable=False),
    Column("channels", Integer, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column(
        "placements", JSON, nullable=False
    ),  # [channel, starts, ends, offset], read and written as a whole
    Column("holes", JSON, nullable=False),  # [starts, ends]
    PrimaryKeyConstraint("iso", "number"),
    Index(None, "closed"),
)

jobs = Table(
    "jobs",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("recording", ID, nullable=False),
    Column("state", String(16), nullable=False),
    Column("progress", Float, nullable=False, default=0.0),
    Column("reason", Text, nullable=False, default=""),
    Column("result", String(255), nullable=False, default=""),
    Column("size", BigInteger, nullable=False, default=0),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("kind", "recording"),
    Index(None, "state"),
)
