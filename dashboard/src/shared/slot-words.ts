/** What there is to say of a slot, in words: the same on the plan, in the table and aloud. */
import { duration, percent } from "./format";
import { STATE_WORDS } from "./slot-states";
import type { CameraView, SlotView } from "./views";

/** "occupied for 12 min"; without a known time only the state. */
export function stateFor(slot: SlotView, now_ms: number): string {
  const words = STATE_WORDS[slot.state];
  return slot.changed_at_ms === null ? words : `${words} for ${duration(now_ms - slot.changed_at_ms)}`;
}

export function confidenceWords(slot: SlotView): string {
  return slot.version > 0 && slot.confidence > 0 ? percent(slot.confidence) : "–";
}

export function seenBy(slot: SlotView, cameras: readonly CameraView[]): string {
  const names = slot.camera_ids.map(
    (id) => cameras.find((camera) => camera.camera_id === id)?.name ?? id,
  );
  return names.length > 0 ? names.join(", ") : "no camera";
}

/** Reasons are short stable words such as `no-evidence`: readable without their hyphens. */
export function reasonWords(reason: string): string {
  const words = /^[a-z]+(-[a-z]+)+$/.test(reason) ? reason.replaceAll("-", " ") : reason;
  return words.charAt(0).toUpperCase() + words.slice(1);
}
