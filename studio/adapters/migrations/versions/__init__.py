"""One file per step, named `studio_NNNN_what`."""
