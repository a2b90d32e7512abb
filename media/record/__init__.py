"""The tape: recorder, recovery, gaps, retention and replay. It always rolls; a recording is a range of it."""
