/** What the notifier's REST interface and its SSE snapshot hold (see schemas/openapi.json). */
import type { CameraStatusChanged, LayoutSlot, SlotChanged, Zone } from "./events";

export type SlotState = SlotChanged["to_state"];
export type SlotKind = NonNullable<LayoutSlot["kind"]>;
export type CameraStatus = CameraStatusChanged["status"];
export type Point = readonly [number, number];

export type Counts = Record<SlotState | "total", number>;

export interface SlotView {
  site_id: string;
  slot_id: string;
  zone_id: string;
  kind: SlotKind;
  state: SlotState;
  /** 0 until the tracker has said something of the slot. */
  version: number;
  changed_at_ms: number | null;
  observed_at_ms: number | null;
  confidence: number;
  reason: string;
  camera_ids: readonly string[];
  /** Outline on the lot plan in metres. */
  plan: readonly Point[] | null;
}

export interface CameraSlot {
  slot_id: string;
  zone_id: string;
  /** In 0..1 of the picture, origin top left. */
  polygon: readonly Point[];
}

/** Long side of the detector's input for a camera, and why. */
export interface InputSize {
  /** Null until a picture was looked at. */
  size_px: number | null;
  /** By need; false: an operator set it. */
  automatic: boolean;
  reason: string;
}

export interface CameraView {
  camera_id: string;
  name: string;
  status: CameraStatus;
  reason: string;
  health: CameraStatusChanged["health"];
  interval_ms: number | null;
  layout_version: number;
  slots: readonly CameraSlot[];
  /** The detector's input; only the REST interface tells it, and null without a layout. */
  input?: InputSize | null;
  /** Parts of the picture (0..1) that are not seen; an older server does not tell them. */
  blurred?: readonly (readonly number[])[];
}

/** When a camera last saw what: told every few seconds, while the rest of it stays as it is. */
export interface Sighting {
  last_frame_at_ms: number | null;
  /** The time between its last pictures that were analysed. */
  analysed_every_ms: number | null;
  /** What the detector leaves out because its computer is busy: 0 nothing, 4 most. */
  load_level: number;
  /** Slots that it has not seen well enough on its last picture: when it last did, 0 for never. */
  evidence_at_ms: Readonly<Record<string, number>>;
}

/** A camera as the server tells it: with its times, the newer ones only by a server that knows them. */
export type CameraSnapshot = CameraView & Pick<Sighting, "last_frame_at_ms"> & Partial<Sighting>;

/** A device and what it last told of itself; null where it did not. */
export interface DeviceView {
  device_id: string;
  /** The broker holds a password for it. */
  may_connect: boolean;
  may_post: boolean;
  state: "online" | "offline" | null;
  last_seen_ms: number | null;
  last_frame_at_ms: number | null;
  rssi_dbm: number | null;
  firmware: string | null;
  frames_dropped: number | null;
  /** Kept by the device, not yet acknowledged. */
  gate_events_waiting: number | null;
  /** Since its start: its flash was full. */
  gate_events_lost: number | null;
  /** Since its start: changes of its inputs for which its memory had no room. */
  gate_edges_lost: number | null;
  /** When somebody last sent again what it had sent before. */
  replayed_at_ms: number | null;
}

/** What a device is told, once. */
export interface DeviceSecret {
  device_id: string;
  password: string;
  host: string;
  port: number;
  tls: boolean;
  ca?: string;
}

export interface SiteView {
  site_id: string;
  name: string;
  zones: readonly Zone[];
  cameras: readonly CameraSnapshot[];
  slots: readonly SlotView[];
  open_sessions: number;
}

export interface Snapshot {
  sites: readonly SiteView[];
  cameras: readonly CameraSnapshot[];
  changes: readonly SlotChanged[];
  /** The server's clock: ages are counted from it, as a browser's clock may be wrong. */
  time_ms?: number;
}
