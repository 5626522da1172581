import { say } from "./language";
import type { Counts } from "./views";

/** Explain why the gate count and the number of occupied spaces differ. Returns "" if they agree. */
export function gateCountWords(inside: number, counts: Counts): string {
  const { occupied, unknown } = counts;
  if (inside === occupied || counts.total === 0) return "";
  if (inside < occupied) {
    return say("gates.fewer", { count: occupied, more: occupied - inside });
  }
  const unseen = unknown > 0 ? say("gates.unseen", { count: unknown }) : "";
  return say("gates.more", { count: occupied, fewer: inside - occupied, unseen });
}
