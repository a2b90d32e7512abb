"""The only place of web that touches SQL and libav."""
