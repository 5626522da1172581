/** Faults of a layout by space: those found by the server, and those the page finds itself. */
import type { Drawing } from "./drawing";
import { isName } from "./names";
import { crossesItself } from "./outlines";
import { say } from "../../shared/language";

/** By the slot's `key`; -1 for faults that name no slot. */
export type Faults = ReadonlyMap<number, readonly string[]>;
export const GENERAL = -1;

/** Finds faults that the server would refuse. */
export function faultsOf({ slots }: Drawing): Faults {
  const counts = new Map<string, number>();
  for (const { slot_id } of slots) counts.set(slot_id, (counts.get(slot_id) ?? 0) + 1);
  const found = new Map<number, string[]>();
  for (const { key, slot_id, zone_id, polygon } of slots) {
    const words = [];
    if (!isName(slot_id)) words.push(say("fault.name", { rule: say("name.rule") }));
    if (!isName(zone_id)) words.push(say("fault.zone", { rule: say("name.rule") }));
    if ((counts.get(slot_id) ?? 0) > 1) words.push(say("fault.twice", { space: slot_id }));
    if (crossesItself(polygon)) words.push(say("fault.crosses"));
    if (words.length) found.set(key, words);
  }
  return found;
}

/** Assigns the server's faults ("slot A01: ...", "slots[3].polygon: ...") to their slots. */
export function faultsAt({ slots }: Drawing, words: readonly string[]): Faults {
  const found = new Map<number, string[]>();
  for (const fault of words) {
    const index = /\bslots\[(\d+)\]/.exec(fault)?.[1];
    const name = /^slot ([A-Za-z0-9._-]+?)(?::| has | is )/.exec(fault)?.[1];
    const slot = index === undefined ? slots.find((one) => one.slot_id === name) : slots[Number(index)];
    const key = slot?.key ?? GENERAL;
    found.set(key, [...(found.get(key) ?? []), fault]);
  }
  return found;
}

export function merged(one: Faults, other: Faults): Faults {
  const all = new Map(one);
  for (const [key, words] of other) all.set(key, [...(all.get(key) ?? []), ...words]);
  return all;
}
