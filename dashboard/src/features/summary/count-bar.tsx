import { number } from "../../shared/language";
import { stateWord, STATES } from "../../shared/slot-states";
import type { Counts, SlotState } from "../../shared/views";

/** The shares of the states as one bar. SVG attributes set the widths, so it needs no inline style. */
export function CountBar({ counts }: { counts: Counts }) {
  const words = STATES.map((state) => `${number(counts[state])} ${stateWord(state)}`).join(", ");
  const share = (states: readonly SlotState[]) =>
    (100 * states.reduce((sum, state) => sum + counts[state], 0)) / Math.max(1, counts.total);
  return (
    <svg className="count-bar" role="img" aria-label={words} width="100%" height="10">
      {STATES.map((state, index) => (
        <rect
          key={state}
          className={`bar-${state}`}
          x={`${share(STATES.slice(0, index))}%`}
          width={`${share([state])}%`}
          height="10"
        />
      ))}
    </svg>
  );
}
