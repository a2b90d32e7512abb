"""A show's cards: what its log says of them, folded; commands on them; and what viewers, playlists and pages are told."""
