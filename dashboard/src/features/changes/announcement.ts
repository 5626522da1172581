/** The text that screen readers announce for new changes. Pure. */
import { allClosed, nothingKnown } from "../../shared/counts";
import type { SlotChanged } from "../../shared/events";
import { plural } from "../../shared/format";
import { STATE_WORDS } from "../../shared/slot-states";
import type { Counts } from "../../shared/views";

/** Names one or two changes; gives only the number of more, because nobody listens to a list. */
export function announcement(fresh: readonly SlotChanged[], counts: Counts): string {
  if (fresh.length === 0) return "";
  const what =
    fresh.length > 2
      ? `${plural(fresh.length, "change")}.`
      : fresh.map((change) => `${change.slot_id} is ${STATE_WORDS[change.to_state]}.`).join(" ");
  return `${what} ${freeWords(counts)}`;
}

/** The free count, as in the summary. */
function freeWords(counts: Counts): string {
  if (nothingKnown(counts)) return "No live data.";
  if (allClosed(counts)) return "All are closed.";
  return `${counts.free} of ${counts.total} free.`;
}
