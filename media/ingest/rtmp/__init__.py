"""An RTMP server for publishers. Everything but `server` is sans-io: bytes in, values and bytes out."""
