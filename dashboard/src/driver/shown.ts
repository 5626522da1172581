/** Decides what to show of a site or zone: a number, or why there is none. Pure. */
import { allClosed, nothingKnown } from "../shared/counts";
import type { Counts } from "../shared/views";
import type { KindView, Part, Unseen } from "./public-site";

/** `starting`: the server still reads its state. `lost`: it does not answer. */
export type Link = "connecting" | "live" | "starting" | "lost" | "not-public";

export type Shown =
  | { is: "free" | "full"; free: number; total: number; old: boolean }
  | { is: "closed" | "undrawn" }
  | { is: "unseen"; reason: Unseen | "no-news" | "no-connection" };

/** What a driver can count on: the standard spaces, or all if there are no standard ones. */
export function headline(part: Part): Counts {
  return part.kinds.find((each) => each.kind === "standard")?.counts ?? part.counts;
}

/** The other kinds of spaces, which not everybody may use. */
export function otherKinds(part: Part): readonly KindView[] {
  return headline(part) === part.counts && part.kinds.length < 2
    ? []
    : part.kinds.filter((each) => each.kind !== "standard");
}

export function shownOf(part: Part, counts: Counts, link: Link, now_ms: number): Shown {
  if (counts.total === 0) return { is: "undrawn" };
  if (allClosed(counts)) return { is: "closed" };
  if (nothingKnown(counts)) return { is: "unseen", reason: part.reason ?? "unclear" };
  if (part.expires_at_ms !== null && now_ms >= part.expires_at_ms) {
    return { is: "unseen", reason: link === "live" ? "no-news" : "no-connection" };
  }
  const old = part.old_at_ms !== null && now_ms >= part.old_at_ms;
  const is = counts.free === 0 && counts.unknown === 0 ? "full" : "free";
  return { is, free: counts.free, total: counts.total - counts.closed, old };
}

export type Arrow = "left" | "ahead" | "right";
export const ARROWS: Readonly<Record<Arrow, string>> = { left: "←", ahead: "↑", right: "→" };

/** Where the zones are, as seen from the display: `?left=A,B&right=C`. */
export function arrowsOf(search: string): Map<string, Arrow> {
  const query = new URLSearchParams(search);
  const arrows = new Map<string, Arrow>();
  for (const arrow of Object.keys(ARROWS) as Arrow[]) {
    for (const zone of query.get(arrow)?.split(",") ?? []) arrows.set(zone, arrow);
  }
  return arrows;
}
