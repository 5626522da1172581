/** Values for component tests: a lot, a camera, a change. A test overrides the fields that it checks. */
import type { SessionChanged, SlotChanged } from "./shared/events";
import type { Site } from "./shared/live";
import type { CameraView, DeviceView, SlotView } from "./shared/views";

export const NOW_MS = 1_700_000_000_000;

export function slot(slot_id: string, change: Partial<SlotView> = {}): SlotView {
  return {
    site_id: "demo",
    slot_id,
    zone_id: "A",
    kind: "standard",
    state: "free",
    version: 1,
    changed_at_ms: NOW_MS - 60_000,
    observed_at_ms: NOW_MS,
    confidence: 0.9,
    reason: "evidence",
    camera_ids: ["demo/north"],
    plan: null,
    ...change,
  };
}

export function site(...slots: readonly SlotView[]): Site {
  return {
    site_id: "demo",
    name: "Station Square",
    zones: [
      { zone_id: "A", name: "Row A" },
      { zone_id: "B", name: "Row B" },
    ],
    slots: Object.fromEntries(slots.map((each) => [each.slot_id, each])),
    undrawn: {},
    open_sessions: 0,
    capacity: null,
    public: false,
  };
}

export function camera(change: Partial<CameraView> = {}): CameraView {
  return {
    camera_id: "demo/north",
    name: "North",
    status: "online",
    reason: "fresh",
    health: "ok",
    interval_ms: 5_000,
    layout_version: 1,
    slots: [],
    ...change,
  };
}

export function slotChange(change: Partial<SlotChanged> = {}): SlotChanged {
  return {
    id: "demo/A1/2",
    site_id: "demo",
    time_ms: NOW_MS,
    slot_id: "A1",
    zone_id: "A",
    from_state: "free",
    to_state: "occupied",
    version: 2,
    confidence: 0.9,
    reason: "evidence",
    cause: { kind: "frame", id: "demo/north/1/2" },
    camera_id: "demo/north",
    ...change,
  };
}

export function device(device_id: string, change: Partial<DeviceView> = {}): DeviceView {
  return {
    device_id,
    may_connect: true,
    may_post: false,
    state: "online",
    last_seen_ms: NOW_MS,
    last_frame_at_ms: null,
    rssi_dbm: null,
    firmware: null,
    frames_dropped: null,
    gate_events_waiting: null,
    gate_events_lost: null,
    gate_edges_lost: null,
    replayed_at_ms: null,
    rate_limited_at_ms: null,
    ...change,
  };
}

/** A stay that began a minute ago. */
export function stay(session_id: string, change: Partial<SessionChanged> = {}): SessionChanged {
  return {
    id: `${session_id}/opened`,
    site_id: "demo",
    time_ms: NOW_MS - 60_000,
    session_id,
    kind: "opened",
    entry_at_ms: NOW_MS - 60_000,
    entry_gate_id: "main",
    cause: { kind: "gate", id: session_id },
    ...change,
  };
}
