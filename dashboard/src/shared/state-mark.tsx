import type { SlotState } from "./views";

/** A state's sign, 16 by 16 units around 0,0. Its shape means the same as its colour. */
export function StateSign({ state }: { state: SlotState }) {
  switch (state) {
    case "free":
      return <circle r="5.5" className="sign sign-free" />;
    case "occupied":
      return (
        <path
          className="sign sign-occupied"
          d="M-7 4.5V.5L-5.3-3.6A2 2 0 0 1-3.5-4.8h7a2 2 0 0 1 1.8 1.2L7 .5v4A1 1 0 0 1 6 5.5H4.6a1 1 0 0 1-1-1h-7.2a1 1 0 0 1-1 1H-6a1 1 0 0 1-1-1z"
        />
      );
    case "unknown":
      return <path className="sign sign-unknown" d="M-3-3.2A3.1 3.1 0 1 1 1.2-.2C.3.3 0 .8 0 1.8M0 5.2v.1" />;
    case "closed":
      return <path className="sign sign-closed" d="M-4.5-4.5l9 9m0-9l-9 9" />;
  }
}

export function StateMark({ state, size = 16 }: { state: SlotState; size?: number }) {
  return (
    <svg className="state-mark" viewBox="-8 -8 16 16" width={size} height={size} aria-hidden="true">
      <StateSign state={state} />
    </svg>
  );
}
