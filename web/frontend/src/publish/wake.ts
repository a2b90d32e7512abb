/** Keeps the screen on. Browsers let go of the lock whenever the page is hidden, so it is asked for again on return. */
export class Wake {
  #wanted = false;
  #lock: WakeLockSentinel | null = null;

  /** Whether the screen shall stay on; where browsers cannot, phones do as they are set. */
  want(wanted: boolean): void {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    void this.renew();
  }

  /** Call when the page is seen again. */
  async renew(): Promise<void> {
    if (!this.#wanted) {
      await this.#lock?.release().catch(() => undefined);
      this.#lock = null;
      return;
    }
    if (document.visibilityState !== "visible" || (this.#lock !== null && !this.#lock.released)) return;
    // Refused on an empty battery.
    const lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
    // Asked for twice before the browser answered (the page was hidden and seen again), it gives two: one is kept.
    if (this.#wanted && (this.#lock === null || this.#lock.released)) this.#lock = lock;
    else await lock?.release().catch(() => undefined);
  }
}
