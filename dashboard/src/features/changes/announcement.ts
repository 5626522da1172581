/** What a screen reader hears of new changes: pure. */
import { allClosed, nothingKnown } from "../../shared/counts";
import type { SlotChanged } from "../../shared/events";
import { plural } from "../../shared/format";
import { STATE_WORDS } from "../../shared/slot-states";
import type { Counts } from "../../shared/views";

/** One or two changes by name, more as a number: nobody listens to a list. */
export function announcement(fresh: readonly SlotChanged[], counts: Counts): string {
  if (fresh.length === 0) return "";
  const what =
    fresh.length > 2
      ? `${plural(fresh.length, "change")}.`
      : fresh.map((change) => `${change.slot_id} is ${STATE_WORDS[change.to_state]}.`).join(" ");
  return `${what} ${freeWords(counts)}`;
}

/** As the summary shows it. */
function freeWords(counts: Counts): string {
  if (nothingKnown(counts)) return "How many are free is not known right now.";
  if (allClosed(counts)) return "All are closed.";
  return `${counts.free} of ${counts.total} free.`;
}
