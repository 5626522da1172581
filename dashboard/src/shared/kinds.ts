/** The kinds of spaces, in words. */
import type { SlotKind } from "./views";

export const KIND_WORDS: Readonly<Record<SlotKind, string>> = {
  standard: "standard",
  accessible: "accessible",
  ev: "with a charger",
  motorcycle: "for motorcycles",
};

export const KINDS = Object.keys(KIND_WORDS) as SlotKind[];

/** "accessible space", "space with a charger"; null for a standard space, which needs no words. */
export function spaceOfKind(kind: SlotKind): string | null {
  if (kind === "standard") return null;
  return kind === "accessible" ? `${KIND_WORDS[kind]} space` : `space ${KIND_WORDS[kind]}`;
}
