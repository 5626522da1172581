import type { Counts, SlotView } from "./views";

/** Counted from the very slots that the plan shows, so the two cannot differ. */
export function countStates(slots: Iterable<SlotView>): Counts {
  const counts: Counts = { free: 0, occupied: 0, unknown: 0, closed: 0, total: 0 };
  for (const slot of slots) {
    counts[slot.state] += 1;
    counts.total += 1;
  }
  return counts;
}

/** True when every slot that is in service is unknown: "0 free" would then be a lie. */
export function nothingKnown(counts: Counts): boolean {
  return counts.free + counts.occupied === 0 && counts.unknown > 0;
}

/** True when no slot is in service: "0 free" would then read as full. */
export function allClosed(counts: Counts): boolean {
  return counts.total > 0 && counts.closed === counts.total;
}
