"""Live and recorded media to viewers: each object fetched once, kept in RAM, served with the right headers."""
