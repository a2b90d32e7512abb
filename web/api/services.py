"""What handlers work with; made once by `web.compose`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from media.ports import SegmentStore
from web.auth.accounts import Accounts
from web.auth.audit import Audit
from web.auth.sessions import Sessions
from web.auth.tokens import Tokens
from web.links import Links
from web.metrics import WebMetrics
from web.playback.qoe import Qoe
from web.ports import Ask
from web.settings import AuthSettings, HttpSettings


@dataclass(frozen=True, slots=True)
class Services:
    """The ports behind the API."""

    ask: Ask
    tokens: Tokens
    sessions: Sessions
    accounts: Accounts
    audit: Audit
    metrics: WebMetrics
    links: Links
    qoe: Qoe
    store: SegmentStore
    http: HttpSettings
    auth: AuthSettings
    clock: Callable[[], float] = time.monotonic
    """Monotonic seconds."""
    wall: Callable[[], float] = time.time
    """Unix seconds."""
