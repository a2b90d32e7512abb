"""The studio: shows and their log. Directs media; knows nothing of codecs or sockets."""
