// The page's typeface: Pretendard's variable font, cut to what Korean pages mostly need.
//
// Pretendard's own dynamic subset costs a page of ours eleven files (286 kB): twice the budget of the whole viewer
// page. One file with Latin, every character of our own messages and the most frequent syllables of Korean (the
// last slices of the dynamic subset hold them, in order of frequency) costs about 75 kB. What is rarer falls back to
// the system's Korean face, on most phones Noto Sans CJK, from which Pretendard's Hangul is drawn.
//
// The OFL reserves the name "Pretendard" for the unmodified font, so the cut is named "Gachi Sans" in the style
// sheet and its name table keeps the copyright and licence lines alone.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import subset from "subset-font";

const require = createRequire(import.meta.url);
const FREQUENT_SLICES = [91, 90, 89, 88, 87, 86];
const SIGNS = "·…–—‘’“”×→←↑↓−₩•";
const COPYRIGHT_AND_LICENCE = [0, 13, 14];

/** Characters of the dynamic subset's slices, read from the unicode-range lines of its style sheet. */
function charactersOf(css, slices) {
  const faces = css.matchAll(/subset\.(\d+)\.woff2[^}]*unicode-range:\s*([^;}]+)/g);
  let text = "";
  for (const [, slice, ranges] of faces) {
    if (!slices.includes(Number(slice))) continue;
    for (const range of ranges.split(",")) {
      const [first, last] = range
        .trim()
        .slice(2)
        .split("-")
        .map((hex) => Number.parseInt(hex, 16));
      for (let point = first; point <= (last ?? first); point++) text += String.fromCodePoint(point);
    }
  }
  return text;
}

/** The glyphs of `text`, in weights 400 to 700. */
function cutTo(font, text) {
  return subset(font, [...new Set(text)].filter((c) => c > "\x1f").join(""), {
    targetFormat: "woff2",
    variationAxes: { wght: { min: 400, max: 700, default: 400 } },
    keepFeatures: ["kern", "tnum", "mark", "ccmp"],
    noLayoutClosure: true,
    preserveNameIds: COPYRIGHT_AND_LICENCE,
  });
}

/**
 * Writes `gachi-sans.woff2` below `folder`, and `gachi-sans-staff.woff2` with what the staff's and the hosts' texts need beyond it,
 * so that viewers do not carry it; returns the first one's size in bytes.
 */
export async function subsetFont(folder) {
  const web = require.resolve("pretendard/package.json").replace(/package\.json$/, "dist/web/variable/");
  const staffs = new URL("../src/messages/staff/", import.meta.url);
  const [font, css, ko, en, commerce, ...staff] = await Promise.all([
    readFile(`${web}woff2/PretendardVariable.woff2`),
    readFile(`${web}pretendardvariable-dynamic-subset.css`, "utf8"),
    readFile(new URL("../src/messages/ko.ts", import.meta.url), "utf8"),
    readFile(new URL("../src/messages/en.ts", import.meta.url), "utf8"),
    readFile(new URL("../src/messages/commerce/ko.ts", import.meta.url), "utf8"),
    ...[
      "../host/ko.ts",
      "../publish/ko.ts",
      "ko.ts",
      ...(await readdir(new URL("ko/", staffs))).map((name) => `ko/${name}`),
    ].map((name) => readFile(new URL(name, staffs), "utf8")),
  ]);
  const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join("");
  const text = ascii + SIGNS + charactersOf(css, FREQUENT_SLICES) + ko + en + commerce;
  const [cut, rest] = await Promise.all([
    cutTo(font, text),
    cutTo(font, [...staff.join("")].filter((c) => !text.includes(c)).join("")),
  ]);
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/gachi-sans.woff2`, cut);
  await writeFile(`${folder}/gachi-sans-staff.woff2`, rest);
  return cut.length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = fileURLToPath(new URL("../src/design/generated", import.meta.url));
  console.log(`gachi-sans.woff2: ${await subsetFont(folder)} bytes`);
}
