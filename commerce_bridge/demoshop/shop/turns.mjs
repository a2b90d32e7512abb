// One request at a time on the database. sql.js is one connection in this process: two requests whose statements mix would be in
// one transaction, and the rollback of one would take the other's order along.

const WAITING_LIMIT = 2000;
// Requests that wait; one more is told to come back, as a shop at its limit does.
const STUCK_AFTER = 30_000;
// Milliseconds after which a request that never ended gives its turn up.

export class Turns {
  #waiting = [];
  #busy = false;
  changed = false;
  // Whether something may have been written since the last save.

  async take() {
    if (this.#busy) await new Promise((resolve) => this.#waiting.push(resolve));
    this.#busy = true;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const next = this.#waiting.shift();
      // By way of the event loop: sql.js never waits, so a row of requests would keep it from accepting and answering others.
      if (next) setImmediate(next);
      else this.#busy = false;
    };
  }

  async run(work) {
    const release = await this.take();
    try {
      return await work();
    } finally {
      release();
    }
  }

  // Express middleware for the two APIs.
  get handler() {
    return async (_request, response, next) => {
      if (this.#waiting.length >= WAITING_LIMIT) {
        response
          .status(503)
          .set("Retry-After", "1")
          .json({ errors: [{ message: "too many requests wait" }] });
        return;
      }
      const release = await this.take();
      const timer = setTimeout(release, STUCK_AFTER);
      // Not the event "close": where the buyer is gone, the work on the database still goes on to its end.
      const end = response.end;
      response.end = (...parts) => {
        clearTimeout(timer);
        this.changed = true;
        release();
        return end.apply(response, parts);
      };
      next();
    };
  }
}
