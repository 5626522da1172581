/** The kinds of spaces, in words. */
import { say } from "./language";
import type { SlotKind } from "./views";

export const KINDS: readonly SlotKind[] = ["standard", "accessible", "ev", "motorcycle"];

export function kindWord(kind: SlotKind): string {
  return say(`kind.${kind}`);
}

/** "accessible space", "EV charging space"; null for a standard space, which needs no words. */
export function spaceOfKind(kind: SlotKind): string | null {
  return kind === "standard" ? null : say(`spaceOfKind.${kind}`);
}
