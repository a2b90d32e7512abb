"""Feeds recorded as they came: packets into files, cut where the feed changes, each with its place in time."""
