"""PROCESS demoshop: keeps the demo's shop running. Only configs/demo.toml has it among its roles."""

from __future__ import annotations

from commerce_bridge.demoshop.process import main

__all__ = ["main"]
