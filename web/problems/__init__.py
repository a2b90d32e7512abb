"""What goes wrong, told to people: a catalogue of kinds, the RFC 9457 answer, and a page for each kind."""
