import type { viewers as ko } from "../ko/viewers.ts";

export const viewers: Readonly<Record<keyof typeof ko, string>> = {
  "viewers.title": "As viewers see it",
  "viewers.hint":
    "What the players of this server’s pages tell each half minute. No names, no addresses, and gone after an hour.",
  "viewers.span": "Time",
  "viewers.span.15": "the last 15 minutes",
  "viewers.span.30": "the last 30 minutes",
  "viewers.span.60": "the last hour",
  "viewers.none": "No player has told anything yet",
  "viewers.none.hint":
    "Somebody who opens a programme is here within half a minute. Who watches with another player is not seen.",
  "viewers.replay": "All replays",
  "viewers.now": "{count} now",
  "viewers.well": "Going well",
  "viewers.quiet": "Nobody watches",
  "viewers.stalls": "Pictures stop often",
  "viewers.stalls.next":
    "Where the channel’s speed is below 1, take a rung off. Where it is 1, look at the network between here and the viewers.",
  "viewers.slow": "Slow to start",
  "viewers.slow.next":
    "Who opens it waits long. Look whether the channel was resting, and whether the server is busy.",
  "viewers.late": "Far behind",
  "viewers.late.next":
    "Viewers are well behind the programme. Look whether a proxy in between holds parts back.",
  "viewers.failures": "{count} failures of players (network {network}, media {media}, other {other})",
  "viewers.count": "Viewers",
  "viewers.count.told": "Viewers of {channel}: {now} now, {most} at most",
  "viewers.most": "{most} at most",
  "viewers.stall": "Time that pictures stood",
  "viewers.stall.told": "On {channel} pictures stood {share} of the time, {count} times",
  "viewers.stall.of": "{share} of the time · {count} times",
  "viewers.start": "Time to start",
  "viewers.latency": "Behind the programme",
  "viewers.half": "half within {half} s, 95 of 100 within {most} s",
  "viewers.half.beyond": "half within {half} s, some of 100 beyond {most} s",
  "viewers.told": "{channel}, {what}: {words}",
  "viewers.nothing": "nothing yet",
  "viewers.rungs": "Which rung they watch",
  "viewers.rungs.lines": "{lines}p",
  "viewers.rungs.sound": "sound alone",
  "viewers.rungs.other": "not known",
  "viewers.rungs.told": "Rungs on {channel}: {words}",
  "viewers.ago": "{minutes} minutes ago",
  "viewers.ago.0": "now",
  "viewers.beyond": "{seconds} s+",
};
