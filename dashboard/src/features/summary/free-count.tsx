import { allClosed, nothingKnown } from "../../shared/counts";
import type { Counts } from "../../shared/views";

/** The number of free spaces. Says so, instead of "0", if there is no live data or all are closed. */
export function FreeCount({ counts, why = "" }: { counts: Counts; why?: string }) {
  if (counts.total === 0 || nothingKnown(counts)) {
    return (
      <p className="free-count free-count-unknown">
        <strong aria-hidden="true">?</strong>
        <span>{counts.total === 0 ? "no spaces drawn yet" : `No live data${why && `: ${why}`}`}</span>
      </p>
    );
  }
  if (allClosed(counts)) {
    return (
      <p className="free-count free-count-unknown">
        <strong aria-hidden="true">–</strong>
        <span>closed</span>
      </p>
    );
  }
  const full = counts.free === 0 && counts.unknown === 0;
  return (
    <p className={full ? "free-count free-count-full" : "free-count"}>
      <strong data-testid="free">{counts.free}</strong>
      <span>
        {full ? "full" : "free"} of <span data-testid="total">{counts.total}</span>
      </span>
    </p>
  );
}
