/** Which spaces one vehicle stands over. Pure. */
import { listed } from "./format";
import { say } from "./language";
import type { SlotView } from "./views";

const NATURAL = new Intl.Collator("en", { numeric: true });

/**
 * By space: "one vehicle across A1 and A2". A space names the others as they were when it became occupied,
 * so it is enough if one of two names the other, and one that is not occupied now no longer counts.
 */
export function vehiclesOverSeveral(slots: Readonly<Record<string, SlotView>>): ReadonlyMap<string, string> {
  const together = new Map<string, Set<string>>();
  for (const slot of Object.values(slots)) {
    for (const other of slot.straddling ?? []) {
      if (other === slot.slot_id || slot.state !== "occupied" || slots[other]?.state !== "occupied") continue;
      add(together, slot.slot_id, other);
      add(together, other, slot.slot_id);
    }
  }
  return new Map([...together].map(([slotId, others]) => [slotId, words([slotId, ...others])]));
}

function add(together: Map<string, Set<string>>, slotId: string, other: string): void {
  together.set(slotId, (together.get(slotId) ?? new Set<string>()).add(other));
}

function words(slotIds: readonly string[]): string {
  return say("vehicleOver", { spaces: listed(slotIds.toSorted(NATURAL.compare)) });
}
