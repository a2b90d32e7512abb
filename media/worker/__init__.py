"""One live channel: takes feeds' packets, mixes on a fixed tick, encodes the ladder, is its origin, feeds its tape."""
