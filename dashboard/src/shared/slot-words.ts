/** Describes a slot in words: the same on the plan, in the table and for screen readers. */
import { capital, duration, percent } from "./format";
import { say } from "./language";
import { stateWord } from "./slot-states";
import type { CameraView, SlotView } from "./views";

/** "occupied for 12 min"; only the state if the time is unknown. */
export function stateFor(slot: SlotView, now_ms: number): string {
  const state = stateWord(slot.state);
  if (slot.changed_at_ms === null) return state;
  return say("stateFor", { state, age: duration(now_ms - slot.changed_at_ms) });
}

export function confidenceWords(slot: SlotView): string {
  const seen = slot.state === "free" || slot.state === "occupied";
  return seen && slot.version > 0 ? percent(slot.confidence) : "–";
}

export function seenBy(slot: SlotView, cameras: readonly CameraView[]): string {
  const names = slot.camera_ids.map((id) => cameras.find((camera) => camera.camera_id === id)?.name ?? id);
  return names.length > 0 ? names.join(", ") : say("seenBy.none");
}

/** The reason codes of the tracker and of polled cameras. */
const REASONS = [
  "bad-answer",
  "adopted",
  "blurred",
  "fogged",
  "closed",
  "cut-off",
  "corrected",
  "covered",
  "damaged",
  "dark",
  "disagree",
  "forbidden-address",
  "frozen",
  "moved",
  "late",
  "moved-zone",
  "no-evidence",
  "no-frame",
  "no-layout",
  "observed",
  "no-address",
  "offline",
  "ok",
  "opened",
  "out-of-service",
  "partly-blurred",
  "password-needed",
  "removed",
  "redirected",
  "refused",
  "silent",
  "timeout",
  "unreachable",
  "wrong-password",
] as const;

/** The text of a reason code; an unlisted code without its hyphens. */
export function reasonWords(reason: string): string {
  const plain = /^[a-z]+(-[a-z]+)+$/.test(reason) ? reason.replaceAll("-", " ") : reason;
  const code = REASONS.find((each) => each === reason);
  return capital(code ? say(`reason.${code}`) : plain);
}

/** Codes that say what a person did, without a reason of their own. */
const ACTIONS = ["closed", "corrected", "opened"] as const;

/** Why the slot is in its state, and who decided it: "Resurfacing (closed by front-desk)". */
export function whyWords(slot: Pick<SlotView, "state" | "reason" | "issued_by">): string {
  const { state, reason, issued_by } = slot;
  if (!issued_by) return reasonWords(reason);
  const action = ACTIONS.find((each) => each === reason);
  if (action) return say(`by.${action}`, { name: issued_by });
  const words = { reason: reasonWords(reason), name: issued_by };
  return say(state === "closed" ? "byWith.closed" : "byWith.corrected", words);
}
