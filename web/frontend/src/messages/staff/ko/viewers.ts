/** Texts of the page that tells how viewers fare. */
export const viewers = {
  "viewers.hint":
    "이 서버의 시청 화면이 30초마다 알려 온 것입니다. 이름도 주소도 없고, 한 시간 뒤에 사라집니다.",
  "viewers.span": "기간",
  "viewers.span.15": "최근 15분",
  "viewers.span.30": "최근 30분",
  "viewers.span.60": "최근 1시간",
  "viewers.none": "아직 알려 온 시청 화면이 없습니다",
  "viewers.none.hint":
    "누군가 방송을 열면 30초 안에 이곳에 나타납니다. 다른 플레이어로 보는 사람은 보이지 않습니다.",
  "viewers.replay": "다시보기 모두",
  "viewers.now": "지금 {count}명",
  "viewers.well": "잘 나갑니다",
  "viewers.quiet": "보는 사람 없음",
  "viewers.stalls": "끊김이 많습니다",
  "viewers.stalls.next":
    "처리 속도가 1보다 낮으면 화질 단계를 줄이세요. 1이면 서버와 시청자 사이의 인터넷을 살펴보세요.",
  "viewers.slow": "시작이 느립니다",
  "viewers.slow.next":
    "처음 여는 사람이 오래 기다립니다. 쉬던 채널이 켜지는 중인지, 서버가 바쁜지 살펴보세요.",
  "viewers.late": "지연이 큽니다",
  "viewers.late.next":
    "시청자가 방송보다 많이 늦습니다. 사이에 있는 프록시가 조각을 붙잡고 있지 않은지 살펴보세요.",
  "viewers.failures": "재생 오류 {count}번 (인터넷 {network}, 영상 {media}, 그 밖 {other})",
  "viewers.count": "시청자 수",
  "viewers.count.told": "{channel}의 시청자: 지금 {now}명, 가장 많을 때 {most}명",
  "viewers.most": "가장 많을 때 {most}명",
  "viewers.stall": "끊긴 시간",
  "viewers.stall.told": "{channel}에서 보는 시간의 {share}가 끊겼습니다. 끊김 {count}번",
  "viewers.stall.of": "보는 시간의 {share} · {count}번",
  "viewers.start": "시작까지 걸린 시간",
  "viewers.latency": "방송보다 늦은 시간",
  "viewers.half": "절반은 {half}초 안, 100명 중 95명은 {most}초 안",
  "viewers.half.beyond": "절반은 {half}초 안, 100명 중 95명은 {most}초를 넘기도 함",
  "viewers.told": "{channel} {what}: {words}",
  "viewers.nothing": "아직 없음",
  "viewers.rungs": "어떤 화질로 보나",
  "viewers.rungs.lines": "{lines}p",
  "viewers.rungs.sound": "소리만",
  "viewers.rungs.other": "알 수 없음",
  "viewers.rungs.told": "{channel}의 화질: {words}",
  "viewers.beyond": "{seconds}초+",
} as const;
