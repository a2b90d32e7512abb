"""Publishers by WebRTC (WHIP, RFC 9725): offers, sessions, packets into pictures. Pure but for `server`."""
