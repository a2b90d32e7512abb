"""Adapters of the bridge: the database."""
