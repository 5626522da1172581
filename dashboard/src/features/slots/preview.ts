/** The detector's result for the spaces while they are drawn. Pure. */
import type { ApiError } from "../../shared/api";
import { say } from "../../shared/language";
import type { DrawnSlot } from "./drawing";
import type { Faults } from "./faults";
import type { Outline } from "./outlines";

export type Seen = "free" | "occupied" | "unknown";

/** What the server answers: one state for each outline that was sent. */
export interface PreviewAnswer {
  health: { status: string };
  outlines: readonly { state: Seen; confidence: number }[];
}

/** The state of each space, by its key, and the outline that it was judged by. */
export type Judged = ReadonlyMap<number, { outline: Outline; seen: Seen }>;
export const NOTHING: Judged = new Map();

/** How long the drawing must stay unchanged before it is judged. */
export const REST_MS = 800;
/** The least time between two requests. */
export const STEP_MS = 2_000;
const BUSY_MS = 5_000;
const AWAY_MS = 30_000;

/** The spaces that can be judged: in use, and without a fault. */
export function judgeable(slots: readonly DrawnSlot[], faults: Faults): DrawnSlot[] {
  return slots.filter((slot) => slot.enabled && !faults.has(slot.key));
}

/** Adds a response. `asked` holds the spaces that were sent, in their order. */
export function withAnswer(asked: readonly DrawnSlot[], { outlines }: PreviewAnswer): Judged {
  return new Map(
    asked.flatMap((slot, index) => {
      const one = outlines[index];
      return one ? [[slot.key, { outline: slot.polygon, seen: one.state }] as const] : [];
    }),
  );
}

/** The state of a space, or null if it was not judged or its outline has changed since. */
export function seenAt(judged: Judged, { key, polygon }: Pick<DrawnSlot, "key" | "polygon">): Seen | null {
  const one = judged.get(key);
  return one?.outline === polygon ? one.seen : null;
}

/** Whether every one of these spaces was judged as it is drawn now. */
export function isJudged(judged: Judged, slots: readonly DrawnSlot[]): boolean {
  return slots.every((slot) => seenAt(judged, slot) !== null);
}

/** How long to wait before the next attempt, or null if another attempt is useless. */
export function retryAfterMs({ status, code }: ApiError): number | null {
  if (code === "busy") return BUSY_MS;
  return [0, 429, 503].includes(status) ? AWAY_MS : null;
}

/** The result in words, for the status line. */
export function previewWords(judged: Judged, slots: readonly DrawnSlot[], health: string): string {
  if (!slots.length) return say("preview.drawFirst");
  if (health !== "ok") return say("preview.notTrusted", { health });
  const counts = { free: 0, occupied: 0, unknown: 0 };
  for (const slot of slots) {
    const seen = seenAt(judged, slot);
    if (seen) counts[seen] += 1;
  }
  return say("preview.counts", counts);
}
