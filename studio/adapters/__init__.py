"""Where the studio touches files and SQL."""
