"""Offers as ffmpeg 9 and Chromium make them, shortened where nothing is read."""

from __future__ import annotations

_ICE = """a=ice-ufrag:7251e6f3
a=ice-pwd:8154b287e91f07b61e56e58cc6b99dce
a=fingerprint:sha-256 20:F0:18:9D:C9:98:16:47:3C:79:8B:65:59:FB:75:EF:39:84:8C:C9:5E:21:29:6A:A1:8D:2D:27:60:B1:29:D4
"""
HEAD = """v=0
o=- 4489045141692799359 2 IN IP4 127.0.0.1
s=-
t=0 0
"""
BUNDLE = "a=group:BUNDLE 0 1\n"
AUDIO = f"""m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
{_ICE}a=setup:passive
a=mid:0
a=sendonly
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=ssrc:3707884533 cname:FFmpeg
"""
VIDEO = f"""m=video 9 UDP/TLS/RTP/SAVPF 106 105
c=IN IP4 0.0.0.0
{_ICE}a=setup:passive
a=mid:1
a=sendonly
a=rtcp-mux
a=rtpmap:106 H264/90000
a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f
a=rtcp-fb:106 nack
a=rtpmap:105 rtx/90000
a=fmtp:105 apt=106
a=ssrc-group:FID 3707884534 3707884535
a=ssrc:3707884534 cname:FFmpeg
"""
FFMPEG = HEAD + BUNDLE + AUDIO + VIDEO
CHROMIUM_VIDEO = f"""m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 105 106 107 45 46 98 99
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1
a=candidate:3471623853 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0
a=candidate:1 1 udp 2122194687 3c1e5b4e-71b6-4d11-9d4b-9b8f1c4f5f6e.local 61765 typ host
a=ice-options:trickle
{_ICE}a=setup:actpass
a=mid:1
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:13 urn:3gpp:video-orientation
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendonly
a=msid:- d46fb922-d52a-4e9c-aa87-444eadc1521b
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:104 H264/90000
a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
a=rtpmap:102 H264/90000
a=rtcp-fb:102 goog-remb
a=rtcp-fb:102 transport-cc
a=rtcp-fb:102 ccm fir
a=rtcp-fb:102 nack
a=rtcp-fb:102 nack pli
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f
a=rtpmap:103 rtx/90000
a=fmtp:103 apt=102
a=rtpmap:45 AV1/90000
"""
CHROMIUM = HEAD + BUNDLE + AUDIO.replace("passive", "actpass") + CHROMIUM_VIDEO
