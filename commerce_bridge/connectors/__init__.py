"""One package for each kind of shop; each exposes `open_shop(shop, options)`. How to write one: docs/connectors.md."""
