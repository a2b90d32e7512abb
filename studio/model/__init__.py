"""Values of the studio: shows and the exception tree. Pure; imports nothing of ours."""
