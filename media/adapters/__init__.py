"""The only place of media that touches libav, SQL and object storage. Each module implements a port of media."""
