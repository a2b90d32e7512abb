"""Messages between processes: a small port (`port`), typed commands and events over it (`contract`), three adapters."""
