import type { SlotState } from "./views";

/** In the order in which people ask for them. */
export const STATES: readonly SlotState[] = ["free", "occupied", "unknown", "closed"];

export const STATE_WORDS: Readonly<Record<SlotState, string>> = {
  free: "free",
  occupied: "occupied",
  unknown: "not known",
  closed: "closed",
};
