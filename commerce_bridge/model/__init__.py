"""Values of commerce: products, money, text, and the exception tree. Pure; imports nothing of ours."""
