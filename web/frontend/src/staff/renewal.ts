export interface Renewal {
  /** Something changed that it depends on: it is looked at whether it is wanted now. */
  wake(): void;
  end(): void;
}

/**
 * Loads something anew every so many milliseconds while it is wanted: one load at a time, at once where one is due, and
 * never sooner, however often it is woken. A load that fails is tried again at the next turn. While it is not wanted
 * nothing runs, not even a timer; whoever makes it wanted again wakes it.
 */
export function renewing(options: {
  readonly every: number;
  readonly wanted: () => boolean;
  readonly load: () => Promise<void>;
}): Renewal {
  let due = Number.NEGATIVE_INFINITY;
  let loading = false;
  let ended = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function wake(): void {
    clearTimeout(timer);
    if (loading || ended || !options.wanted()) return;
    const left = due - Date.now();
    // A clock that was set back must not stop it.
    if (left > 0 && left <= options.every) {
      timer = setTimeout(wake, left);
      return;
    }
    loading = true;
    due = Date.now() + options.every;
    options
      .load()
      .catch(() => undefined) // what is shown stays, and is marked when it is old
      .finally(() => {
        loading = false;
        wake();
      });
  }

  return {
    wake,
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}
