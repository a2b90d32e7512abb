"""Feeds come in here: listeners, sources that we run, one ring of encoded packets per feed, and their state."""
