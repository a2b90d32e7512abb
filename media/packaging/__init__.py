"""From encoded frames to what players fetch: fragments, parts, segments, playlists, and the live window. Pure."""
