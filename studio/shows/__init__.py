"""Shows: planned, live, ended. The service decides what a command means; media keeps the tape, showlog the log."""
