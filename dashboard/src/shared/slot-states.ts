import type { SlotState } from "./views";

/** In the order in which they are shown. */
export const STATES: readonly SlotState[] = ["free", "occupied", "unknown", "closed"];

export const STATE_WORDS: Readonly<Record<SlotState, string>> = {
  free: "free",
  occupied: "occupied",
  unknown: "unknown",
  closed: "closed",
};
