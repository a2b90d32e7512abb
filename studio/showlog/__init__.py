"""The show log: what happened, append-only, each entry with wall time and programme time."""
