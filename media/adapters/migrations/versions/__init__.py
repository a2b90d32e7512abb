"""One file per step, named `media_NNNN_what`."""
