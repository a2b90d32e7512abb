"""What is shown, pinned and on sale in one show, as a pure state machine over what happened. Knows no video, no clock and no log."""
