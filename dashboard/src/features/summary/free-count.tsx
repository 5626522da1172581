import { allClosed, nothingKnown } from "../../shared/counts";
import type { Counts } from "../../shared/views";

/** The number people come for. Where none is known, or all are closed, it says so instead of "0". */
export function FreeCount({ counts }: { counts: Counts }) {
  if (counts.total === 0 || nothingKnown(counts)) {
    return (
      <p className="free-count free-count-unknown">
        <strong aria-hidden="true">?</strong>
        <span>{counts.total === 0 ? "no spaces drawn yet" : "not known right now"}</span>
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
