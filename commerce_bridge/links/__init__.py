"""Purchase links: signed tokens, who follows them, and where in the shop they lead."""
