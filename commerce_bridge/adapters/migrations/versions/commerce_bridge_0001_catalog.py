"""The first tables of the bridge: products, what their shops' syncs noted, and webhooks that were heard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "commerce_bridge_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "products",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("shop", sa.String(length=40), nullable=False),
        sa.Column("content", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
    )
    op.create_index("ix_products_shop_gone", "products", ["shop", "gone"])
    op.create_table(
        "product_documents",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_product_documents"),
    )
    op.create_table(
        "shop_states",
        sa.Column("shop", sa.String(length=40), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("shop", name="pk_shop_states"),
    )
    op.create_table(
        "shop_events",
        sa.Column("shop", sa.String(length=40), nullable=False),
        sa.Column("event", sa.String(length=200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shop", "event", name="pk_shop_events"),
    )
    op.create_index("ix_shop_events_at", "shop_events", ["at"])


def downgrade() -> None:
    """Remove them."""
    for table in ("shop_events", "shop_states", "product_documents", "products"):
        op.drop_table(table)
