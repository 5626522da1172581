import { allClosed, nothingKnown } from "../../shared/counts";
import { number, say } from "../../shared/language";
import { Rich } from "../../shared/rich";
import type { Counts } from "../../shared/views";

/** The number of free spaces. Says so, instead of "0", if there is no live data or all are closed. */
export function FreeCount({ counts, why = "" }: { counts: Counts; why?: string }) {
  if (counts.total === 0 || nothingKnown(counts)) {
    return (
      <p className="free-count free-count-unknown">
        <strong aria-hidden="true">?</strong>
        <span>
          {counts.total === 0 ? say("free.undrawn") : [say("free.unknown"), why].filter(Boolean).join(": ")}
        </span>
      </p>
    );
  }
  if (allClosed(counts)) {
    return (
      <p className="free-count free-count-unknown">
        <strong aria-hidden="true">–</strong>
        <span>{say("state.closed")}</span>
      </p>
    );
  }
  const full = counts.free === 0 && counts.unknown === 0;
  return (
    <p className={full ? "free-count free-count-full" : "free-count"}>
      <strong data-testid="free">{number(counts.free)}</strong>
      <span>
        <Rich
          message={full ? "free.full" : "free.of"}
          parts={{ total: <span data-testid="total">{number(counts.total)}</span> }}
        />
      </span>
    </p>
  );
}
