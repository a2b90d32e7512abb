"""``/realtime``: what changes is told to whoever may know it, as a snapshot and then ordered patches."""
