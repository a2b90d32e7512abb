"""The ports of the bridge on real databases, files and networks; met where things are composed."""
