"""One file per step, named `web_NNNN_what`."""
