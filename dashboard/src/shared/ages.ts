/** The age of what the page shows, and when it deserves a warning. Pure. */
import { ago, duration, pace } from "./format";
import { say } from "./language";
import type { Live } from "./live";
import type { CameraView, Sighting, SlotView } from "./views";

/** An unchanged camera-status repeats this often, or once per camera interval if that is longer. */
const REFRESH_MS = 2_000;
const OLD_INTERVALS = 3;
export const BUSY_SHARE = 1.5;

type Sightings = Live["sightings"];
type Cameras = ReadonlyMap<string, CameraView>;

export interface Evidence {
  at_ms: number;
  /** Evidence older than this counts as old. */
  old_ms: number;
}

/** The newest evidence of a slot: that of an online camera or, without one, the observation behind
 * its state. */
export function evidenceOf(slot: SlotView, cameras: Cameras, sightings: Sightings): Evidence | null {
  if (slot.version === 0) return null;
  const watching = slot.camera_ids.flatMap((id) => cameras.get(id) ?? []);
  let newest: Evidence | null = null;
  for (const camera of watching) {
    const at_ms = camera.status === "online" ? seenAt(slot.slot_id, sightings[camera.camera_id]) : 0;
    if (at_ms > (newest?.at_ms ?? 0)) newest = { at_ms, old_ms: oldMs([camera]) };
  }
  const { observed_at_ms } = slot;
  if (observed_at_ms === null || observed_at_ms <= (newest?.at_ms ?? 0)) return newest;
  return { at_ms: observed_at_ms, old_ms: oldMs(watching) };
}

/** "12 s ago"; "never" if no camera has seen the slot. */
export function seenAgo(evidence: Evidence | null, now_ms: number): string {
  return evidence ? ago(now_ms - evidence.at_ms) : say("never");
}

/** Whether the shown state rests on old evidence. An operator's correction does not age. */
export function isOld(slot: SlotView, evidence: Evidence | null, now_ms: number): boolean {
  const seen = slot.state === "free" || slot.state === "occupied";
  if (!seen || slot.reason === "corrected" || !evidence) return false;
  return now_ms - evidence.at_ms > evidence.old_ms;
}

/** The slots with old evidence, each with its age in words. Ages advance in steps, to render rarely. */
export function oldSlots(
  slots: readonly SlotView[],
  cameras: Cameras,
  sightings: Sightings,
  now_ms: number,
): Map<string, string> {
  const old = new Map<string, string>();
  for (const slot of slots) {
    const evidence = evidenceOf(slot, cameras, sightings);
    if (evidence && isOld(slot, evidence, now_ms)) {
      old.set(slot.slot_id, say("seenOver", { age: duration(inSteps(now_ms - evidence.at_ms)) }));
    }
  }
  return old;
}

/** A warning if the computer is too busy to analyse every picture of a camera; else null. */
export function busyWords(camera: CameraView, seen: Sighting | undefined): string | null {
  const every_ms = seen?.analysed_every_ms;
  const { interval_ms, status } = camera;
  if (status !== "online" || !every_ms || !interval_ms || !seen.load_level) return null;
  if (every_ms < BUSY_SHARE * interval_ms) return null;
  const step_ms = every_ms < 3_000 ? 100 : 1_000;
  const rounded = Math.round(every_ms / step_ms) * step_ms;
  return say("busy", { pace: pace(rounded), wanted: pace(interval_ms) });
}

function seenAt(slot_id: string, seen: Sighting | undefined): number {
  return seen?.evidence_at_ms[slot_id] ?? seen?.last_frame_at_ms ?? 0;
}

/** Evidence from these cameras counts as old when it is older than this. */
export function oldMs(cameras: readonly CameraView[]): number {
  const intervals = cameras.map((camera) => camera.interval_ms ?? 0);
  return OLD_INTERVALS * Math.max(REFRESH_MS, ...intervals);
}

function inSteps(age_ms: number): number {
  const step_ms = age_ms < 10_000 ? 5_000 : 10_000;
  return Math.floor(age_ms / step_ms) * step_ms;
}
