/** Compares two recordings of the same spaces. Pure. */
import { compareNames, say } from "../../shared/language";
import { stateWord } from "../../shared/slot-states";
import type { RecordedChange, Recording } from "./recording";
import type { Table } from "./table";
import { sortableTime } from "./times";

/** A change in A, in B, or in both. */
export interface Pair {
  a: RecordedChange | null;
  b: RecordedChange | null;
  /** How much later B has it; null if only one has it. */
  shift_ms: number | null;
}

export type Verdict = "same" | "moved" | "onlyA" | "onlyB";
export const VERDICTS: readonly Verdict[] = ["same", "moved", "onlyA", "onlyB"];

export type Verdicts = Record<Verdict, number>;

export interface SlotComparison extends Verdicts {
  slot_id: string;
  pairs: readonly Pair[];
  /** The greatest shift, without its sign; null if no change is in both. */
  greatest_ms: number | null;
}

export interface Comparison {
  slots: readonly SlotComparison[];
  totals: Verdicts;
  same_ms: number;
}

/** A change at most this much earlier or later is the same one at another time. */
export const NEAR_MS = 15 * 60_000;

/** What a change without a partner costs: two of them cost as much as the largest shift. */
const ALONE_MS = NEAR_MS / 2;

/** `same_ms`: the greatest shift that still counts as the same time. Days are compared by their time of day. */
export function compare(a: Recording, b: Recording, same_ms: number): Comparison {
  const offset_ms = overlapping(a, b) ? 0 : b.from_ms - a.from_ms;
  const [inA, inB] = [bySlot(a), bySlot(b)];
  const ids = [...new Set([...inA.keys(), ...inB.keys()])].sort(compareNames);
  const slots = ids.map((slot_id) => {
    const pairs = pairsOf(inA.get(slot_id) ?? [], inB.get(slot_id) ?? [], offset_ms);
    const shifts = pairs.flatMap(({ shift_ms }) => (shift_ms === null ? [] : [Math.abs(shift_ms)]));
    const greatest_ms = shifts.length > 0 ? Math.max(...shifts) : null;
    return { slot_id, pairs, greatest_ms, ...counted(pairs.map((pair) => verdictOf(pair, same_ms))) };
  });
  const totals = Object.fromEntries(
    VERDICTS.map((verdict) => [verdict, slots.reduce((sum, slot) => sum + slot[verdict], 0)]),
  ) as Verdicts;
  return { slots, totals, same_ms };
}

export function verdictOf({ a, b, shift_ms }: Pair, same_ms: number): Verdict {
  if (!a) return "onlyB";
  if (!b) return "onlyA";
  return Math.abs(shift_ms ?? 0) <= same_ms ? "same" : "moved";
}

export function differs(slot: Verdicts): boolean {
  return slot.moved + slot.onlyA + slot.onlyB > 0;
}

function counted(verdicts: readonly Verdict[]): Verdicts {
  const counts = { same: 0, moved: 0, onlyA: 0, onlyB: 0 };
  for (const verdict of verdicts) counts[verdict] += 1;
  return counts;
}

/** Recordings that overlap show the same time, even if one begins a day later. */
function overlapping(a: Recording, b: Recording): boolean {
  const [endA = a.from_ms, endB = b.from_ms] = [a.changes.at(-1)?.time_ms, b.changes.at(-1)?.time_ms];
  return a.from_ms <= endB && b.from_ms <= endA;
}

function bySlot({ changes }: Recording): Map<string, RecordedChange[]> {
  const slots = new Map<string, RecordedChange[]>();
  for (const change of changes) {
    const some = slots.get(change.slot_id);
    if (some) some.push(change);
    else slots.set(change.slot_id, [change]);
  }
  return slots;
}

/** Pairs the changes of one slot in their order, so that the shifts add up to the least. */
function pairsOf(a: readonly RecordedChange[], b: readonly RecordedChange[], offset_ms: number): Pair[] {
  const cost = leastCosts(a, b, offset_ms);
  const pairs: Pair[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const shift_ms = shift(a[i], b[j], offset_ms);
    if (shift_ms !== null && Math.abs(shift_ms) + cost(i + 1, j + 1) <= cost(i, j)) {
      pairs.push({ a: a[i++] ?? null, b: b[j++] ?? null, shift_ms });
    } else if (i < a.length && cost(i + 1, j) + ALONE_MS <= cost(i, j)) {
      pairs.push({ a: a[i++] ?? null, b: null, shift_ms: null });
    } else {
      pairs.push({ a: null, b: b[j++] ?? null, shift_ms: null });
    }
  }
  return pairs;
}

/** The least cost of pairing the changes from a[i] and b[j] on, as a function of i and j. */
function leastCosts(a: readonly RecordedChange[], b: readonly RecordedChange[], offset_ms: number) {
  const width = b.length + 1;
  const costs = new Float64Array((a.length + 1) * width);
  const cost = (i: number, j: number) => costs[i * width + j] ?? 0;
  for (let i = a.length; i >= 0; i -= 1) {
    for (let j = b.length; j >= 0; j -= 1) {
      const skipA = i < a.length ? cost(i + 1, j) + ALONE_MS : Infinity;
      const skipB = j < b.length ? cost(i, j + 1) + ALONE_MS : Infinity;
      const both = Math.abs(shift(a[i], b[j], offset_ms) ?? Infinity) + cost(i + 1, j + 1);
      const least = Math.min(skipA, skipB, both);
      costs[i * width + j] = least === Infinity ? 0 : least;
    }
  }
  return cost;
}

/** How much later B has the same change; null if it is another one. */
function shift(a: RecordedChange | undefined, b: RecordedChange | undefined, offset_ms: number) {
  if (!a || b?.to_state !== a.to_state) return null;
  const shift_ms = b.time_ms - offset_ms - a.time_ms;
  return Math.abs(shift_ms) <= NEAR_MS ? shift_ms : null;
}

export function slotsTable(slots: readonly SlotComparison[]): Table {
  return {
    columns: [
      say("csv.space"),
      ...VERDICTS.map((verdict) => say(`compare.column.${verdict}`)),
      say("csv.greatestShift"),
    ],
    rows: slots.map((slot) => [
      slot.slot_id,
      ...VERDICTS.map((verdict) => slot[verdict]),
      slot.greatest_ms === null ? null : slot.greatest_ms / 1000,
    ]),
  };
}

export function pairsTable(
  { slots, same_ms }: Pick<Comparison, "slots" | "same_ms">,
  time_zone: string,
): Table {
  const written = (change: RecordedChange | null) => change && sortableTime(change.time_ms, time_zone);
  return {
    columns: [
      say("csv.space"),
      say("csv.before"),
      say("csv.now"),
      say("csv.timeA", { zone: time_zone }),
      say("csv.timeB", { zone: time_zone }),
      say("csv.shift"),
      say("csv.difference"),
    ],
    rows: slots.flatMap(({ slot_id, pairs }) =>
      pairs.map((pair) => {
        const change = pair.a ?? pair.b;
        return [
          slot_id,
          change && stateWord(change.from_state),
          change && stateWord(change.to_state),
          written(pair.a),
          written(pair.b),
          pair.shift_ms === null ? null : pair.shift_ms / 1000,
          say(`compare.${verdictOf(pair, same_ms)}`),
        ];
      }),
    ),
  };
}
