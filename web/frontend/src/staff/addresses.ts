import type { StaffKey } from "../messages/staff/index.ts";
import { publishAddress } from "../publish/address.ts";
import type { Feed } from "../realtime/topics.ts";

/** One line to copy. */
export interface Line {
  readonly label: StaffKey;
  readonly value: string;
  /** It is there, but no longer shown to anybody. */
  readonly hidden?: boolean;
}

/** One way to send to a feed. */
export interface Address {
  readonly name: "obs" | "app" | "phone" | "srt";
  readonly how: StaffKey;
  readonly lines: readonly Line[];
  /** What a QR code of it says; null where scanning makes no sense. */
  readonly qr: string | null;
}

/** What is known of a feed's key: just made (with the complete URL), or no more. */
export interface Secret {
  readonly key: string;
  readonly url: string;
}

/**
 * The ways to send to a feed, for the programs that people have. `origin` is this page's own. Without the secret what
 * needs a key says so.
 */
export function addressesOf(
  feed: Pick<Feed, "id" | "kind" | "publish_url">,
  secret: Secret | null,
  origin: string,
): readonly Address[] {
  // Kinds as text: a server may offer more than the document that this page was built with.
  const kind: string = feed.kind;
  const key = (label: StaffKey): Line =>
    secret === null ? { label, value: "", hidden: true } : { label, value: secret.key };
  if (kind === "rtmp") {
    const obs: Address = {
      name: "obs",
      how: "address.obs.how",
      lines: [{ label: "address.server", value: feed.publish_url }, key("address.key")],
      qr: null,
    };
    const url = secret?.url ?? "";
    if (url === "") return [obs];
    return [
      obs,
      { name: "app", how: "address.app.how", lines: [{ label: "address.url", value: url }], qr: url },
    ];
  }
  if (kind === "srt") {
    const url = secret?.url || feed.publish_url;
    const lines: Line[] = [{ label: "address.url", value: url }, key("address.passphrase")];
    return [{ name: "srt", how: "address.srt.how", lines, qr: url }];
  }
  if (kind === "whip") {
    const page = publishAddress(origin, feed.id, secret?.key);
    const server = new URL(feed.publish_url || `/whip/${feed.id}`, origin).href;
    return [
      {
        name: "phone",
        how: "address.phone.how",
        lines: [{ label: "address.url", value: page }, key("address.key")],
        qr: page,
      },
      {
        name: "obs",
        how: "address.obs.whip.how",
        lines: [{ label: "address.server", value: server }, key("address.token")],
        qr: null,
      },
    ];
  }
  return [];
}

/** Whether an address leads nowhere but to the machine it is read on. */
export function loopback(url: string): boolean {
  return /^[a-z]+:\/\/(127\.|localhost[:/]|\[::1\])/i.test(url);
}
