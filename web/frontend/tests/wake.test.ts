import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Wake } from "../src/publish/wake.ts";

/** A lock that the browser may take away. */
class FakeLock {
  released = false;

  release(): Promise<void> {
    this.released = true;
    return Promise.resolve();
  }
}

/** A screen as browsers keep it: every lock it ever gave, and none while the page is hidden. */
class FakeScreen {
  readonly given: FakeLock[] = [];
  refuses = false;

  request(kind: string): Promise<FakeLock> {
    expect(kind).toBe("screen");
    if (this.refuses || page.visibilityState !== "visible")
      return Promise.reject(new DOMException("no", "NotAllowedError"));
    const lock = new FakeLock();
    this.given.push(lock);
    return Promise.resolve(lock);
  }

  /** How many locks keep the screen on now. */
  get held(): number {
    return this.given.filter((lock) => !lock.released).length;
  }
}

const page = { visibilityState: "visible" };
let screen: FakeScreen;

function hide() {
  page.visibilityState = "hidden";
  for (const lock of screen.given) lock.released = true;
}

async function settled() {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

beforeEach(() => {
  screen = new FakeScreen();
  page.visibilityState = "visible";
  vi.stubGlobal("navigator", { wakeLock: screen });
  vi.stubGlobal("document", page);
});
afterEach(() => vi.unstubAllGlobals());

describe("the screen of who broadcasts", () => {
  it("is kept on while wanted, by one lock, and let go afterwards", async () => {
    const wake = new Wake();
    wake.want(true);
    wake.want(true);
    await settled();
    await wake.renew();
    expect([screen.given.length, screen.held]).toEqual([1, 1]);
    wake.want(false);
    await settled();
    expect([screen.given.length, screen.held]).toEqual([1, 0]);
  });

  it("is asked for again when the page is seen again, for hiding it took the lock away", async () => {
    const wake = new Wake();
    wake.want(true);
    await settled();
    hide();
    await wake.renew();
    expect([screen.given.length, screen.held]).toEqual([1, 0]);
    page.visibilityState = "visible";
    await wake.renew();
    expect([screen.given.length, screen.held]).toEqual([2, 1]);
  });

  it("is not asked for on return where nobody wants it any more", async () => {
    const wake = new Wake();
    wake.want(true);
    await settled();
    hide();
    wake.want(false);
    page.visibilityState = "visible";
    await wake.renew();
    expect([screen.given.length, screen.held]).toEqual([1, 0]);
  });

  it("goes off where it was let go of before the browser had answered", async () => {
    const wake = new Wake();
    wake.want(true);
    wake.want(false);
    await settled();
    expect([screen.given.length, screen.held]).toEqual([1, 0]);
  });

  it("has no second lock left behind where it was asked for twice at once", async () => {
    const wake = new Wake();
    wake.want(true);
    await wake.renew();
    await settled();
    expect(screen.held).toBe(1);
    wake.want(false);
    await settled();
    expect(screen.held).toBe(0);
  });

  it("may be refused once and granted later", async () => {
    const wake = new Wake();
    screen.refuses = true;
    wake.want(true);
    await settled();
    expect(screen.held).toBe(0);
    screen.refuses = false;
    await wake.renew();
    expect(screen.held).toBe(1);
  });

  it("does as the phone is set where the browser cannot", async () => {
    vi.stubGlobal("navigator", {});
    const wake = new Wake();
    wake.want(true);
    await settled();
    await expect(wake.renew()).resolves.toBeUndefined();
    wake.want(false);
    await settled();
    expect(screen.given).toEqual([]);
  });
});
