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
  const seen = slot.state === "free" || slot.state === "occupied";
  return seen && slot.version > 0 ? percent(slot.confidence) : "–";
}

export function seenBy(slot: SlotView, cameras: readonly CameraView[]): string {
  const names = slot.camera_ids.map(
    (id) => cameras.find((camera) => camera.camera_id === id)?.name ?? id,
  );
  return names.length > 0 ? names.join(", ") : "no camera";
}

/** The tracker's reasons are short and stable; those that people meet, in a sentence. */
const REASONS: Readonly<Record<string, string>> = {
  "bad-answer": "the camera answers nonsense",
  adopted: "new in the layout",
  blurred: "the camera’s picture is blurred",
  fogged: "fog hides the camera’s view",
  closed: "closed by an operator",
  "cut-off": "the camera ends the connection",
  corrected: "corrected by an operator",
  covered: "the camera is covered",
  damaged: "the camera’s pictures are torn or incomplete",
  dark: "the camera’s picture is too dark",
  disagree: "the cameras disagree",
  "forbidden-address": "the camera’s address is not allowed",
  frozen: "the camera sends the same picture again and again",
  moved: "the camera was moved",
  late: "the camera’s pictures are old when they come: is its clock wrong?",
  "moved-zone": "moved to another zone",
  "no-evidence": "no camera sees it well enough",
  "no-frame": "no picture from the camera yet",
  "no-layout": "nobody has said where the spaces are",
  observed: "seen by a camera",
  "no-address": "the camera’s name has no address",
  offline: "the camera is offline",
  ok: "all well",
  opened: "opened again, not seen since",
  "out-of-service": "taken out of service: its layout is empty",
  "partly-blurred": "a part of the camera’s view is blurred: is its lens wet or dirty?",
  "password-needed": "the camera wants a login",
  removed: "taken away",
  redirected: "the camera sends elsewhere",
  refused: "the camera refuses connections",
  silent: "the camera has gone silent",
  timeout: "the camera does not answer in time",
  unreachable: "there is no way to the camera",
  "wrong-password": "the camera refuses the login",
};

/** A reason for people; one that is not known here at least without its hyphens. */
export function reasonWords(reason: string): string {
  const plain = /^[a-z]+(-[a-z]+)+$/.test(reason) ? reason.replaceAll("-", " ") : reason;
  const words = REASONS[reason] ?? plain;
  return words.charAt(0).toUpperCase() + words.slice(1);
}
