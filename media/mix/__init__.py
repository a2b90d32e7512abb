"""The mixer: per-input timelines, switcher, slate, audio sum. Pure and ticked; libav stays in `media.adapters`."""
