"""Values of live media: time, tracks, channels, feeds, and the exception tree. Pure; imports nothing of ours."""
