"""Who may do what: roles, API tokens, rate limits."""
