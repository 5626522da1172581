/** The text that screen readers announce for new changes. Pure. */
import { allClosed, nothingKnown } from "../../shared/counts";
import type { SlotChanged } from "../../shared/events";
import { say } from "../../shared/language";
import { stateWord } from "../../shared/slot-states";
import type { Counts } from "../../shared/views";

/** Names one or two changes. Of more, it gives only the number, because nobody listens to a list. */
export function announcement(fresh: readonly SlotChanged[], counts: Counts): string {
  if (fresh.length === 0) return "";
  const what =
    fresh.length > 2
      ? say("announce.changes", { count: fresh.length })
      : fresh
          .map(({ slot_id, to_state }) =>
            say("announce.change", { space: slot_id, state: stateWord(to_state) }),
          )
          .join(" ");
  return `${what} ${freeWords(counts)}`;
}

/** The free count, as in the summary. */
function freeWords(counts: Counts): string {
  if (nothingKnown(counts)) return say("announce.unknown");
  if (allClosed(counts)) return say("announce.closed");
  return say("announce.free", { free: counts.free, total: counts.total });
}
