"""Messages between processes: a small port (`port`), typed commands and events over it (`contract`, `calls`), three
adapters (`local`, `hub`, `redis`).
"""

from runtime.bus.opening import open_bus

__all__ = ["open_bus"]
