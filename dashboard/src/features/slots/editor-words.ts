/** The slot editor's changes in words. Pure. */
import { kindWord } from "../../shared/kinds";
import { say } from "../../shared/language";
import { ofKeys, type Drawing, type Keys, type SlotPatch } from "./drawing";
import type { History } from "./history";

/** "3 spaces". */
export function spaces(count: number): string {
  return say("edit.spaces", { count });
}

interface Selection {
  history: History<Drawing>;
  selected: Keys;
}

/** The selected space by name, several by their number. */
export function selectionWords({ history, selected }: Selection): string {
  const slots = ofKeys(history.now, selected);
  if (slots.length === 1) return slots[0]?.slot_id ?? "";
  return slots.length ? spaces(slots.length) : say("edit.nothing");
}

export function patchWords({ slot_id, zone_id, kind, enabled }: SlotPatch): string {
  if (slot_id !== undefined) return say("edit.name", { name: slot_id });
  if (zone_id !== undefined) return say("edit.zone", { zone: zone_id });
  if (kind !== undefined) return say("edit.kind", { kind: kindWord(kind) });
  return say(enabled ? "edit.on" : "edit.off");
}
