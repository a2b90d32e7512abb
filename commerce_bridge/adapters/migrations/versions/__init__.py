"""One file per step, named `commerce_bridge_NNNN_what`."""
