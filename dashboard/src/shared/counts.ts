import type { Counts, SlotView } from "./views";

/** Counts the slots that the plan shows, so that counts and plan agree. */
export function countStates(slots: Iterable<SlotView>): Counts {
  const counts: Counts = { free: 0, occupied: 0, unknown: 0, closed: 0, total: 0 };
  for (const slot of slots) {
    counts[slot.state] += 1;
    counts.total += 1;
  }
  return counts;
}

/** True when every slot in service is unknown. "0 free" would then be wrong. */
export function nothingKnown(counts: Counts): boolean {
  return counts.free + counts.occupied === 0 && counts.unknown > 0;
}

/** True when no slot is in service. "0 free" would then look like a full lot. */
export function allClosed(counts: Counts): boolean {
  return counts.total > 0 && counts.closed === counts.total;
}

/** The most common reason of the unknown slots; "" if there are none. */
export function commonReason(slots: Iterable<SlotView>): string {
  const counts = new Map<string, number>();
  for (const { state, reason } of slots) {
    if (state === "unknown") counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
}
