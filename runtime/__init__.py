"""Process plumbing with no word of the domain: settings, logs, bus, database, supervision."""
