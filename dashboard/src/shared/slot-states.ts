import { say } from "./language";
import type { SlotState } from "./views";

/** In the order in which they are shown. */
export const STATES: readonly SlotState[] = ["free", "occupied", "unknown", "closed"];

export function stateWord(state: SlotState): string {
  return say(`state.${state}`);
}
