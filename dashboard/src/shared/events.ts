// Generated from schemas/ by `npm run types`. Do not edit.

/**
 * All events that reach the browser.
 */
export interface Events {
  FrameRef: FrameRef;
  CameraStatusChanged: CameraStatusChanged;
  LayoutSlot: LayoutSlot;
  Zone: Zone;
  LayoutPublished: LayoutPublished;
  Cause: Cause;
  SessionChanged: SessionChanged;
  SlotChanged: SlotChanged;
}
/**
 * Where a frame lies in Kafka.
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
   * of its last frame; see Effort
   */
  load_level?: number;
  /**
   * slots of which this online camera's last evidence is older than its last frame; 0: it has none
   */
  evidence_at_ms?: {
    /**
     * Unix time in milliseconds, UTC, before year 10000
     */
    [k: string]: number;
  };
  /**
   * parts of its last picture, normalised, that are not seen
   */
  blurred?: [number, number, number, number][];
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
 *     `reference` is the picture on which the outlines lie, to notice that the camera was moved since:
 *     scaled to a long side of 480 px, grey, as JPEG (parking/reference.py makes it); without it that
 *     is not looked for.
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
   * the camera was taken away; kept so that versions go on counting
   */
  removed?: boolean;
}
/**
 * What made a change: the id of a frame, a tick, a command or a gate event.
 */
export interface Cause {
  kind: "command" | "device" | "frame" | "gate" | "tick";
  /**
   * derived from the cause, never from receipt
   */
  id: string;
}
/**
 * A vehicle's stay as it is known now: all of it, in place of what was told of the same
 *     `session_id` before. A passage that comes late can change stays that were told already: an
 *     `opened` one with reason `reopened` was closed by mistake, and a `corrected` one with reason
 *     `entry-found` is an exit whose stay is known by now; it is no stay of its own.
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
 * A slot changed. Readers apply it only when `version` is above the one they hold.
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
}
