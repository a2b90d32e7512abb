import { describe, expect, it } from "vitest";
import { catalogues, fill, type MessageKey, preferred } from "../src/messages/index.ts";

const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

describe("catalogues", () => {
  const keys = Object.keys(catalogues.ko) as MessageKey[];

  it("have the same keys", () => {
    expect(Object.keys(catalogues.en).sort()).toEqual([...keys].sort());
  });

  it("say something under every key, with the same values in it", () => {
    for (const key of keys) {
      expect(catalogues.ko[key].trim(), key).not.toBe("");
      expect(catalogues.en[key].trim(), key).not.toBe("");
      expect(names(catalogues.en[key]), key).toEqual(names(catalogues.ko[key]));
    }
  });

  it("are in their own language, but for the switch to the other", () => {
    for (const key of keys.filter((key) => !key.startsWith("language."))) {
      expect(catalogues.en[key], key).not.toMatch(/[가-힣]/);
    }
  });
});

describe("fill", () => {
  it("puts values in", () => {
    expect(fill("ko", "player.latency", { seconds: "1.4" })).toBe("지연 1.4초");
  });

  it("leaves a value that was not given visible", () => {
    expect(fill("en", "home.started")).toBe("Started {when}");
  });

  it("does not read patterns in values", () => {
    expect(fill("en", "home.started", { when: "$& {when}" })).toBe("Started $& {when}");
  });
});

describe("preferred", () => {
  it.each([
    [["ko-KR", "en"], "ko"],
    [["en-US", "ko"], "en"],
    [["ja", "en-GB"], "en"],
    [["ja"], "ko"],
    [[], "ko"],
  ])("%j", (languages, wanted) => {
    expect(preferred(languages)).toBe(wanted);
  });
});
