/** The types of the notifier's REST API and of its snapshots (see schemas/openapi.json). */
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
  /** 0 until the tracker reports the slot. */
  version: number;
  changed_at_ms: number | null;
  observed_at_ms: number | null;
  confidence: number;
  reason: string;
  camera_ids: readonly string[];
  /** Outline on the lot plan, in metres. */
  plan: readonly Point[] | null;
  /** Who closed, opened or corrected it, if a person did; missing from older servers. */
  issued_by?: string | null;
  /** Other spaces over which the vehicle stood when it came; missing from older servers. */
  straddling?: readonly string[];
}

export interface CameraSlot {
  slot_id: string;
  zone_id: string;
  /** In shares of the picture (0..1), origin top left. */
  polygon: readonly Point[];
}

/** The long side of the detector's input for a camera, with the reason. */
export interface InputSize {
  /** Null until a picture was analysed. */
  size_px: number | null;
  /** True: chosen by the detector. False: set by an operator. */
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
  /** The detector's input size: only in REST responses, null without a layout. */
  input?: InputSize | null;
  /** Blurred parts of the picture, in shares of it (0..1); missing from older servers. */
  blurred?: readonly (readonly number[])[];
  /** When status or reason last changed; missing from older servers. */
  since_ms?: number | null;
}

/** What a camera last saw, and when. Updated every few seconds; the rest of a camera rarely changes. */
export interface Sighting {
  last_frame_at_ms: number | null;
  /** The time between its last analysed pictures. */
  analysed_every_ms: number | null;
  /** How much work the busy detector leaves out: 0 none, 4 most. */
  load_level: number;
  /** Slots not clearly seen in the last picture: when they last were; 0 for never. */
  evidence_at_ms: Readonly<Record<string, number>>;
}

/** A camera as the server sends it, with its sighting. Older servers send only `last_frame_at_ms`. */
export type CameraSnapshot = CameraView & Pick<Sighting, "last_frame_at_ms"> & Partial<Sighting>;

/** A device and its last report; null for values that it did not report. */
export interface DeviceView {
  device_id: string;
  /** The broker has a password for it. */
  may_connect: boolean;
  may_post: boolean;
  /** The server asks it for pictures: it needs no password and no key. Missing from older servers. */
  polled?: boolean;
  state: "online" | "offline" | null;
  state_since_ms?: number | null;
  /** A code as in `reasonWords`. */
  state_reason?: string | null;
  uptime_s?: number | null;
  last_seen_ms: number | null;
  last_frame_at_ms: number | null;
  rssi_dbm: number | null;
  firmware: string | null;
  frames_dropped: number | null;
  /** Stored on the device, not yet acknowledged. */
  gate_events_waiting: number | null;
  /** Events lost since its start because its flash was full. */
  gate_events_lost: number | null;
  /** Input changes lost since its start because its memory was full. */
  gate_edges_lost: number | null;
  /** When somebody last replayed earlier messages of the device. */
  replayed_at_ms: number | null;
  /** When it last exceeded its rate limit; the excess was refused. */
  rate_limited_at_ms: number | null;
}

/** The configuration of a device, shown once. */
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
  /** Vehicles that fit inside; null before the first stay, missing from older servers. */
  capacity?: number | null;
  /** Missing from older servers. */
  public?: boolean;
}

export interface Snapshot {
  sites: readonly SiteView[];
  cameras: readonly CameraSnapshot[];
  changes: readonly SlotChanged[];
  /** The server's clock. Ages are based on it, because the browser's clock may be wrong. */
  time_ms?: number;
}
