"""Encoder settings as data: the ladder, x264 parameters, levels, and the units that encoders hand on."""
