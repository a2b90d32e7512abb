"""All that a browser talks to: REST, playback, pages, accounts."""
