/** Finds what is wrong with a camera or device. Pure. */
import { BUSY_SHARE, oldMs } from "../../shared/ages";
import { duration, pace } from "../../shared/format";
import { say } from "../../shared/language";
import { reasonWords } from "../../shared/slot-words";
import type { CameraView, DeviceView, Sighting } from "../../shared/views";
import { lossWords, signalWords, WEAK_DBM } from "./device-commands";
import { URGENCY, type ProblemKind } from "./problems";

/** A camera, a device, or a camera that is a device. */
export interface Member {
  /** `SITE/DEVICE`. */
  id: string;
  name: string;
  camera: CameraView | null;
  seen: Sighting | undefined;
  /** Null until somebody asks for the devices' reports, and for a camera that is no device. */
  device: DeviceView | null;
}

export interface Problem {
  kind: ProblemKind;
  /** The finding for this device, such as "the camera does not respond in time". */
  words: string;
  since_ms: number | null;
}

interface Context {
  now_ms: number;
  /** The newest firmware in the lot; null if no device reported any. */
  newestFirmware: string | null;
}

const DROP_SHARE = 0.05;
const RECENT_MS = 3_600_000;
const NATURAL = new Intl.Collator("en", { numeric: true });

type Check = (member: Member, context: Context) => string | Omit<Problem, "kind"> | null;

/** The last time anything was heard of it; null for never. */
export function heardAtMs({ device, seen }: Member): number | null {
  const times = [device?.last_seen_ms, device?.last_frame_at_ms, seen?.last_frame_at_ms];
  return Math.max(...times.map((time) => time ?? 0)) || null;
}

/** Whether it may neither connect nor post, and is not polled either. */
function isShutOut({ device, camera }: Member): boolean {
  if (!device || device.may_connect || device.may_post || device.polled) return false;
  return !camera || camera.status === "offline";
}

function cameraFault({ camera }: Member, status: CameraView["status"]): Omit<Problem, "kind"> | null {
  if (camera?.status !== status) return null;
  return { words: reasonWords(camera.reason), since_ms: camera.since_ms ?? null };
}

function slowPace({ camera, seen }: Member, busy: boolean): string | null {
  const every_ms = seen?.analysed_every_ms;
  if (camera?.status !== "online" || !every_ms || !camera.interval_ms) return null;
  if (every_ms < BUSY_SHARE * camera.interval_ms || seen.load_level > 0 !== busy) return null;
  return say("finding.pace", {
    pace: pace(Math.round(every_ms / 100) * 100),
    wanted: pace(camera.interval_ms),
  });
}

const CHECKS: Readonly<Record<ProblemKind, Check>> = {
  offline: (member) => {
    const fault = cameraFault(member, "offline");
    if (fault) return { ...fault, since_ms: fault.since_ms ?? heardAtMs(member) };
    const { device } = member;
    if (member.camera || device?.state !== "offline") return null;
    return {
      words: device.state_reason ? reasonWords(device.state_reason) : say("finding.ended"),
      since_ms: device.state_since_ms ?? null,
    };
  },
  unhealthy: (member) =>
    ["late", "partly-blurred"].includes(member.camera?.reason ?? "") ? null : cameraFault(member, "degraded"),
  late: (member) => (member.camera?.reason === "late" ? cameraFault(member, "degraded") : null),
  blurred: (member) => (member.camera?.reason === "partly-blurred" ? cameraFault(member, "degraded") : null),
  stale: ({ camera, seen }, { now_ms }) => {
    const last_ms = seen?.last_frame_at_ms;
    if (camera?.status !== "online" || !last_ms) return null;
    if (now_ms - last_ms <= oldMs([camera])) return null;
    return { words: say("finding.none", { age: duration(now_ms - last_ms) }), since_ms: last_ms };
  },
  "no-layout": (member) => cameraFault(member, "no-layout"),
  "no-access": (member) => (isShutOut(member) ? say("finding.noAccess") : null),
  lost: ({ device }) => {
    const words = device ? lossWords(device) : "";
    return words === "" ? null : words;
  },
  replayed: ({ device }, context) => recent(device?.replayed_at_ms, context),
  rate: ({ device }, context) => recent(device?.rate_limited_at_ms, context),
  busy: (member) => slowPace(member, true),
  slow: (member) => slowPace(member, false),
  waiting: ({ device }) =>
    device?.gate_events_waiting ? say("finding.waiting", { count: device.gate_events_waiting }) : null,
  drops: ({ device, camera }) => {
    const { frames_dropped, uptime_s } = device ?? {};
    if (!frames_dropped || !uptime_s || !camera?.interval_ms) return null;
    const expected = (1000 * uptime_s) / camera.interval_ms;
    return frames_dropped > DROP_SHARE * expected ? say("finding.dropped", { count: frames_dropped }) : null;
  },
  signal: ({ device }) => {
    const rssi = device?.rssi_dbm ?? null;
    return rssi !== null && rssi < WEAK_DBM ? signalWords(rssi) : null;
  },
  firmware: ({ device }, { newestFirmware }) => {
    const own = device?.firmware;
    if (!own || !newestFirmware || NATURAL.compare(own, newestFirmware) >= 0) return null;
    return say("finding.firmware", { own, newest: newestFirmware });
  },
  unused: (member) => {
    const { device, camera } = member;
    const may = device && (device.may_connect || device.may_post);
    return may && !camera && heardAtMs(member) === null ? say("finding.noReport") : null;
  },
};

function recent(at_ms: number | null | undefined, { now_ms }: Context): Omit<Problem, "kind"> | null {
  if (!at_ms || now_ms - at_ms > RECENT_MS) return null;
  return { words: say("finding.last", { age: duration(now_ms - at_ms) }), since_ms: at_ms };
}

/** The most recent version among the devices, by the numbers in it. */
export function newestFirmware(devices: readonly DeviceView[]): string | null {
  const versions = devices.flatMap((device) => device.firmware ?? []);
  return versions.sort(NATURAL.compare).at(-1) ?? null;
}

/** Every problem of a member, the most urgent first. */
export function diagnose(member: Member, context: Context): Problem[] {
  const found: Problem[] = [];
  for (const kind of URGENCY.keys()) {
    const finding = CHECKS[kind](member, context);
    if (finding === null) continue;
    found.push(typeof finding === "string" ? { kind, words: finding, since_ms: null } : { kind, ...finding });
  }
  return found;
}
