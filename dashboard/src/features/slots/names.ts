/** Names of spaces, counted up from a first name. */

/** The names that the server accepts: see parking/core/ids.py. */
export const NAME_PATTERN = "[A-Za-z0-9._\\-]{1,40}";
const NAME = new RegExp(`^${NAME_PATTERN}$`);
const FIRST = "A01";

export function isName(text: string): boolean {
  return NAME.test(text) && text !== "." && text !== "..";
}

/** Returns `count` names from `first` on: counts up its last number and skips taken names. A name without
 * a number gets one: "Gate", "Gate2". */
export function namesFrom(first: string, count: number, taken: ReadonlySet<string>): string[] {
  const names: string[] = [];
  for (let name = first; names.length < count; name = nextName(name)) {
    if (!taken.has(name)) names.push(name);
  }
  return names;
}

/** "A09" to "A10", "A99" to "A100", "P-7b" to "P-8b". */
export function nextName(name: string): string {
  const found = /^(.*?)(\d+)(\D*)$/.exec(name);
  if (!found) return `${name}2`;
  const [, head = "", digits = "", tail = ""] = found;
  const next = String(BigInt(digits) + 1n).padStart(digits.length, "0");
  return head + next + tail;
}

/** The name for the next space: it continues the last one. */
export function proposedName(names: readonly string[]): string {
  const last = names.at(-1);
  if (last === undefined) return FIRST;
  return namesFrom(nextName(last), 1, new Set(names))[0] ?? FIRST;
}

/** The zone in a name: "A" in "A01"; "lot" if there is none. */
export function zoneOf(name: string): string {
  return /^([A-Za-z]+)[-_.]?\d/.exec(name)?.[1] ?? "lot";
}
