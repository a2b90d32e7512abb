"""Web's tables, and the base of the stores on them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

from runtime.bus.contract import CommandError, Fault
from runtime.database import NAMING, DatabaseStore

METADATA = MetaData(naming_convention=NAMING)

tokens = Table(
    "web_tokens",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("digest", String(64), nullable=False),  # hex SHA-256; the token's text is nowhere
    Column("created", BigInteger, nullable=False),  # Unix microseconds, as all times here; 0: not
    Column("expires", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("parent", String(40), nullable=False),  # the token it was made with; empty: none
    Column("owner", String(40), nullable=False, server_default=""),  # a user's id; empty: nobody's
)
Index("ix_web_tokens_parent", tokens.c.parent)
Index("ix_web_tokens_expires", tokens.c.expires)
Index("ix_web_tokens_owner", tokens.c.owner)

users = Table(
    "web_users",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("login", String(100), nullable=False),
    Column("role", String(16), nullable=False),
    Column("password", Text, nullable=False),  # argon2id, encoded with parameters and salt
    Column("disabled", Boolean(create_constraint=False), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
)
Index("ix_web_users_login", users.c.login, unique=True)

sessions = Table(
    "web_sessions",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("user", String(40), nullable=False),  # empty: a token's
    Column("token", String(40), nullable=False),  # empty: a user's
    Column("created", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("address", String(64), nullable=False),
)
Index("ix_web_sessions_user", sessions.c.user)
Index("ix_web_sessions_token", sessions.c.token)

tries = Table(
    "web_tries",
    METADATA,
    Column("key", String(64), primary_key=True),  # a hash: nothing that was typed is in it
    Column("failures", Integer, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
)
Index("ix_web_tries_expires", tries.c.expires)

audit = Table(
    "web_audit",
    METADATA,
    # SQLite counts by itself in a column that is declared INTEGER alone (sqlite.org/autoinc.html).
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("actor", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("user", String(40), nullable=False),
    Column("address", String(64), nullable=False),
    Column("method", String(10), nullable=False),
    Column("operation", String(64), nullable=False),
    Column("named", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("problem", String(40), nullable=False),
    Column("changed", Text, nullable=False),  # JSON
)
Index("ix_web_audit_at", audit.c.at)
Index("ix_web_audit_actor", audit.c.actor)
Index("ix_web_audit_user", audit.c.user)


class SqlStore(DatabaseStore):
    """Base of web's stores. A database that cannot be used is told as `Fault.UNAVAILABLE`."""

    def _unusable(self, reason: str) -> CommandError:
        return CommandError(Fault.UNAVAILABLE, reason)
