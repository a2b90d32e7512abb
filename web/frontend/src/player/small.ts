/**
 * Puts a video into a window of its own above others until the page is seen again, where the browser has those and lets it.
 * Call it out of a click; `life` ends with the player.
 */
export async function smallUntilSeen(video: HTMLVideoElement, life: AbortSignal): Promise<void> {
  if (!document.pictureInPictureEnabled || document.pictureInPictureElement !== null) return;
  const opened = await video.requestPictureInPicture().catch(() => null);
  if (opened === null) return;
  const seen = new AbortController();
  const back = () => {
    if (document.hidden) return;
    seen.abort();
    if (document.pictureInPictureElement === video)
      void document.exitPictureInPicture().catch(() => undefined);
  };
  document.addEventListener("visibilitychange", back, { signal: seen.signal });
  life.addEventListener("abort", () => seen.abort(), { signal: seen.signal });
}
