import qrcode from "qrcode-generator";

export interface Code {
  /** Modules along a side, with the quiet zone that readers need (ISO/IEC 18004: four). */
  readonly size: number;
  /** The dark modules as one SVG path. */
  readonly path: string;
}

const QUIET = 4;

/** The QR code of a text, in the smallest version that holds it. Level M: readable with a seventh of it soiled. */
export function codeOf(text: string): Code {
  const code = qrcode(0, "M");
  // Bytes as UTF-8; the library reads code units otherwise.
  code.addData(String.fromCharCode(...new TextEncoder().encode(text)), "Byte");
  code.make();
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) {
      if (!code.isDark(row, column)) continue;
      let wide = 1;
      while (column + wide < count && code.isDark(row, column + wide)) wide += 1;
      path += `M${column + QUIET} ${row + QUIET}h${wide}v1h-${wide}z`;
      column += wide - 1;
    }
  }
  return { size: count + 2 * QUIET, path };
}
