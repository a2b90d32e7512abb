"""What the shops offer, kept up to date and found again: the sync of each shop, and the search over all of them."""
