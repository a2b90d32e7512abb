"""Live media: feeds in, one programme per channel out. Knows nothing of shows, shops or people."""
