import { plural } from "./format";
import type { Counts } from "./views";

/** One sentence: why the gates' number of vehicles inside and the occupied spaces differ; "" if they agree. */
export function gateCountWords(inside: number, counts: Counts): string {
  const { occupied, unknown } = counts;
  if (inside === occupied || counts.total === 0) return "";
  if (inside < occupied) {
    return (
      `The cameras see ${plural(occupied, "space")} occupied, ${occupied - inside} more: those vehicles came ` +
      "in before the gates counted, or passed a gate undetected. A recount corrects the number."
    );
  }
  const places = ["still drive", "stand outside the drawn spaces", "left unseen"];
  if (unknown > 0) places.splice(2, 0, `stand in one of ${plural(unknown, "unknown space")}`);
  const last = places.pop() ?? "";
  return (
    `The cameras see ${plural(occupied, "space")} occupied, ${inside - occupied} fewer: those vehicles ` +
    `${places.join(", ")} or ${last}.`
  );
}
