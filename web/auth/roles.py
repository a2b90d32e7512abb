"""Roles, from the least to the most."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a caller may do; each role may do all that the ones before it may.

    `viewer` their own log-in and its sessions · `host` run shows and what is on program · `staff` feeds and channels on and
    off air · `admin` the set-up itself: channels, tokens, deletion. A caller without a token has no role.
    """

    VIEWER = "viewer"
    HOST = "host"
    STAFF = "staff"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Position in the order of roles, from 1."""
        return list(Role).index(self) + 1

    def covers(self, needed: Role | None) -> bool:
        """Whether this role may do what `needed` (None: anybody) is asked for."""
        return needed is None or self.rank >= needed.rank
