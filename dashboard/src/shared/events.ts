// Generated from schemas/ by `npm run types`. Do not edit.

/**
 * All events that reach the browser.
 */
export interface Events {
  FrameRef: FrameRef;
  CameraStatusChanged: CameraStatusChanged;
  LayoutSlot: LayoutSlot;
  SiteSettings: SiteSettings;
  Zone: Zone;
  LayoutPublished: LayoutPublished;
  Cause: Cause;
  SessionChanged: SessionChanged;
  SlotChanged: SlotChanged;
}
/**
 * Where to find a frame in Kafka.
 */
export interface FrameRef {
  topic?: string;
  /**
   * derived from the cause, never from receipt
   */
  frame_id: string;
  partition: number;
  offset: number;
}
/**
 * A camera's latest status, with the reason. Compacted by camera.
 */
export interface CameraStatusChanged {
  /**
   * derived from the cause, never from receipt
   */
  id: string;
  site_id: string;
  /**
   * Unix time in milliseconds, UTC, before year 10000
   */
  time_ms: number;
  run?: string;
  /**
   * {site}/{device}
   */
  camera_id: string;
  status: "degraded" | "no-layout" | "offline" | "online";
  reason: string;
  health?: ("blurred" | "covered" | "damaged" | "dark" | "fogged" | "frozen" | "moved" | "ok") | null;
  version: number;
  last_frame_at_ms?: number | null;
  frame_ref?: FrameRef | null;
  interval_ms?: number | null;
  layout_version?: number;
  analysed_every_ms?: number | null;
  /**
   * load level of its last frame; see Effort
   */
  load_level?: number;
  /**
   * slots whose last evidence from this online camera is older than its last frame; 0: none
   */
  evidence_at_ms?: {
    /**
     * Unix time in milliseconds, UTC, before year 10000
     */
    [k: string]: number;
  };
  /**
   * blurred parts of its last picture, normalised
   */
  blurred?: [number, number, number, number][];
  since_ms?: number | null;
}
/**
 * One slot as one camera sees it; other cameras' layouts may name the same slot.
 */
export interface LayoutSlot {
  /**
   * unique in its site
   */
  slot_id: string;
  /**
   * unique in its site
   */
  zone_id: string;
  /**
   * @minItems 3
   * @maxItems 64
   */
  polygon: [number, number][];
  plan?: [number, number][] | null;
  kind?: "accessible" | "ev" | "motorcycle" | "standard";
  enabled?: boolean;
}
/**
 * What a site shows to drivers. Without `public` nobody sees anything of it without a key.
 */
export interface SiteSettings {
  /**
   * anybody may read how many spaces are free (the driver view)
   */
  public?: boolean;
  time_zone?: string | null;
  directions?: string | null;
}
/**
 * A named part of a site.
 */
export interface Zone {
  /**
   * unique in its site
   */
  zone_id: string;
  name: string;
}
/**
 * A camera's layout: which slots it sees, and where. Compacted by camera.
 *
 *     `reference` is the picture on which the outlines were drawn, to detect that the camera was moved
 *     since: scaled to a long side of 480 px, grey, as JPEG (parking/vision/reference.py makes it).
 *     Without it, movement is not detected.
 */
export interface LayoutPublished {
  /**
   * derived from the cause, never from receipt
   */
  id: string;
  site_id: string;
  /**
   * Unix time in milliseconds, UTC, before year 10000
   */
  time_ms: number;
  /**
   * {site}/{device}
   */
  camera_id: string;
  version: number;
  site_name: string;
  camera_name: string;
  /**
   * how often the camera is expected to send
   */
  interval_ms: number;
  zones: Zone[];
  slots: LayoutSlot[];
  input_size_px?: number | null;
  reference?: string | null;
  /**
   * the camera was removed; the record is kept so that versions continue
   */
  removed?: boolean;
  site?: SiteSettings | null;
}
/**
 * The cause of a change: the id of a frame, a tick, a command or a gate event.
 */
export interface Cause {
  kind: "command" | "device" | "frame" | "gate" | "tick";
  /**
   * derived from the cause, never from receipt
   */
  id: string;
}
/**
 * A vehicle's stay as currently known; it replaces every earlier record of the same
 *     `session_id`. A late passage can change stays that were already reported: an `opened` one with
 *     reason `reopened` was closed by mistake. A `corrected` one with reason `entry-found` is an exit
 *     whose stay is now known; it is not a stay of its own.
 */
export interface SessionChanged {
  /**
   * derived from the cause, never from receipt
   */
  id: string;
  site_id: string;
  /**
   * Unix time in milliseconds, UTC, before year 10000
   */
  time_ms: number;
  run?: string;
  /**
   * derived from the cause, never from receipt
   */
  session_id: string;
  kind: "closed" | "corrected" | "opened" | "overstay";
  entry_at_ms?: number | null;
  exit_at_ms?: number | null;
  dwell_ms?: number | null;
  entry_gate_id?: string | null;
  exit_gate_id?: string | null;
  plate_hash?: string | null;
  reason?: string | null;
  number_in?: number | null;
  capacity?: number | null;
  cause: Cause;
}
/**
 * A slot changed. Readers apply it only when `version` is above the one they have.
 */
export interface SlotChanged {
  /**
   * derived from the cause, never from receipt
   */
  id: string;
  site_id: string;
  /**
   * Unix time in milliseconds, UTC, before year 10000
   */
  time_ms: number;
  run?: string;
  /**
   * unique in its site
   */
  slot_id: string;
  /**
   * unique in its site
   */
  zone_id: string;
  from_state: "closed" | "free" | "occupied" | "unknown";
  to_state: "closed" | "free" | "occupied" | "unknown";
  version: number;
  dwell_ms?: number | null;
  confidence: number;
  reason: string;
  cause: Cause;
  camera_id?: string | null;
  frame_ref?: FrameRef | null;
  observed_at_ms?: number | null;
  issued_by?: string | null;
  /**
   * other slots that the vehicle covered when this slot became occupied; ignore those that are free now
   *
   * Items: unique in its site
   */
  straddling?: string[];
}
