"""Shops, products, cards, links: what is sold in a show. Knows nothing of video."""
