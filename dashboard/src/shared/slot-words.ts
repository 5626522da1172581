/** Describes a slot in words: the same on the plan, in the table and for screen readers. */
import { duration, percent } from "./format";
import { STATE_WORDS } from "./slot-states";
import type { CameraView, SlotView } from "./views";

/** "occupied for 12 min"; only the state if the time is unknown. */
export function stateFor(slot: SlotView, now_ms: number): string {
  const words = STATE_WORDS[slot.state];
  return slot.changed_at_ms === null ? words : `${words} for ${duration(now_ms - slot.changed_at_ms)}`;
}

export function confidenceWords(slot: SlotView): string {
  const seen = slot.state === "free" || slot.state === "occupied";
  return seen && slot.version > 0 ? percent(slot.confidence) : "–";
}

export function seenBy(slot: SlotView, cameras: readonly CameraView[]): string {
  const names = slot.camera_ids.map((id) => cameras.find((camera) => camera.camera_id === id)?.name ?? id);
  return names.length > 0 ? names.join(", ") : "no camera";
}

/** Texts for the reason codes of the tracker and of polled cameras. */
const REASONS: Readonly<Record<string, string>> = {
  "bad-answer": "the camera’s response is invalid",
  adopted: "new in the layout",
  blurred: "the camera’s picture is blurred",
  fogged: "fog hides the camera’s view",
  closed: "closed by an operator",
  "cut-off": "the camera closes the connection",
  corrected: "corrected by an operator",
  covered: "the camera is covered",
  damaged: "the camera’s pictures are torn or incomplete",
  dark: "the camera’s picture is too dark",
  disagree: "the cameras disagree",
  "forbidden-address": "the camera’s address is not allowed",
  frozen: "the camera repeats the same picture",
  moved: "the camera was moved",
  late: "the camera’s pictures arrive late: check its clock",
  "moved-zone": "moved to another zone",
  "no-evidence": "no camera sees it clearly",
  "no-frame": "no picture from the camera yet",
  "no-layout": "no spaces are drawn yet",
  observed: "seen by a camera",
  "no-address": "the camera’s host name has no address",
  offline: "the camera is offline",
  ok: "working normally",
  opened: "reopened, not seen since",
  "out-of-service": "out of service: the layout is empty",
  "partly-blurred": "part of the camera’s view is blurred: check for a wet or dirty lens",
  "password-needed": "the camera requires a login",
  removed: "removed",
  redirected: "the camera redirects to another address",
  refused: "the camera refuses connections",
  silent: "the camera stopped sending",
  timeout: "the camera does not answer in time",
  unreachable: "the camera cannot be reached",
  "wrong-password": "the camera rejects the login",
};

/** The text of a reason code; an unlisted code without its hyphens. */
export function reasonWords(reason: string): string {
  const plain = /^[a-z]+(-[a-z]+)+$/.test(reason) ? reason.replaceAll("-", " ") : reason;
  const words = REASONS[reason] ?? plain;
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Codes that say what a person did, without a reason of their own. */
const ACTIONS: Readonly<Record<string, string>> = {
  closed: "closed",
  corrected: "corrected",
  opened: "reopened",
};

/** Why the slot is in its state, and who decided it: "Resurfacing (closed by front-desk)". */
export function whyWords(slot: Pick<SlotView, "state" | "reason" | "issued_by">): string {
  const { state, reason, issued_by } = slot;
  if (!issued_by) return reasonWords(reason);
  const action = ACTIONS[reason];
  if (action) return `${action.charAt(0).toUpperCase()}${action.slice(1)} by ${issued_by}`;
  return `${reasonWords(reason)} (${state === "closed" ? "closed" : "corrected"} by ${issued_by})`;
}
