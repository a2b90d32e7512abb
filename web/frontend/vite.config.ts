import { readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { subsetFont } from "./scripts/subset-font.mjs";

/** Cuts the typeface before anything asks for it. */
function typeface(): Plugin {
  return {
    name: "gachi-typeface",
    async buildStart() {
      await subsetFont(fileURLToPath(new URL("./src/design/generated", import.meta.url)));
    },
    // The OFL wants its text beside each copy of the font.
    async generateBundle() {
      const licence = new URL("./node_modules/pretendard/dist/LICENSE.txt", import.meta.url);
      this.emitFile({
        type: "asset",
        fileName: "gachi-sans.license.txt",
        source: await readFile(licence, "utf8"),
      });
    },
  };
}

/** Puts `.br` and `.gz` beside what shrinks, so that no server spends time on it per request. */
function compressed(folder: string): Plugin {
  return {
    name: "gachi-compressed",
    apply: "build",
    async closeBundle() {
      const files = await readdir(folder, { recursive: true });
      for (const file of files.filter((name) => /\.(js|css|html|svg)$/.test(name))) {
        const body = await readFile(`${folder}/${file}`);
        const params = { [constants.BROTLI_PARAM_SIZE_HINT]: body.length };
        await writeFile(`${folder}/${file}.br`, brotliCompressSync(body, { params }));
        await writeFile(`${folder}/${file}.gz`, gzipSync(body, { level: 9 }));
      }
    },
  };
}

const STATIC = fileURLToPath(new URL("../static", import.meta.url));

export default defineConfig(({ mode }) => ({
  plugins: mode === "test" ? [svelte()] : [typeface(), svelte(), compressed(STATIC)],
  build: {
    outDir: STATIC,
    emptyOutDir: true,
    target: ["chrome100", "firefox100", "safari15.4"],
    assetsInlineLimit: 0,
    // The viewers' pages together are smaller than one poster: one script and one sheet, and no waterfall of small
    // files. Staff's pages are fetched by their own names, with their own sheets.
    cssCodeSplit: true,
    // hls.js is one chunk of half a megabyte on purpose: it is fetched beside the page, never before it.
    chunkSizeWarningLimit: 700,
    license: { fileName: "licenses.md" },
  },
  server: {
    proxy: {
      "/realtime": { target: "http://127.0.0.1:8080", ws: true },
      ...Object.fromEntries(
        ["/api", "/go", "/hls", "/pictures", "/replays", "/whip", "/live/main/poster.jpg"].map((path) => [
          path,
          "http://127.0.0.1:8080",
        ]),
      ),
    },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
}));
