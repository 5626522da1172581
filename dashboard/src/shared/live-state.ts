/**
 * What the page knows, and how each message changes it: pure, so that it is tested without a
 * browser. Values are never changed in place: what did not change keeps its identity, and the
 * components that show it do not render again.
 */
import type {
  CameraStatusChanged,
  LayoutPublished,
  SessionChanged,
  SlotChanged,
  Zone,
} from "./events";
import type { CameraView, SiteView, SlotView, Snapshot } from "./views";

export interface Site {
  site_id: string;
  name: string;
  zones: readonly Zone[];
  slots: Readonly<Record<string, SlotView>>;
  /** Vehicles inside by the gates' count. */
  open_sessions: number;
}

export interface Live {
  /** False until the first snapshot: nothing is known yet, which is not the same as no site. */
  loaded: boolean;
  sites: Readonly<Record<string, Site>>;
  cameras: Readonly<Record<string, CameraView>>;
  /** Newest first. */
  changes: readonly SlotChanged[];
  /** Server clock minus ours. */
  clockOffsetMs: number;
  /** The last sessions' events that were counted: delivery is at least once. */
  sessionIds: readonly string[];
}

export type Message =
  | { type: "snapshot"; data: Snapshot; now_ms: number }
  | { type: "ping"; data: { time_ms?: number }; now_ms: number }
  | { type: "slot-change"; data: SlotChanged }
  | { type: "camera-status"; data: CameraStatusChanged }
  | { type: "session"; data: SessionChanged }
  | { type: "site-sessions"; data: Pick<SiteView, "site_id" | "open_sessions"> }
  | { type: "layout"; data: LayoutPublished };

export const CHANGES_KEPT = 50;
const SESSIONS_KEPT = 200;

export const EMPTY: Live = {
  loaded: false,
  sites: {},
  cameras: {},
  changes: [],
  clockOffsetMs: 0,
  sessionIds: [],
};

export function apply(live: Live, message: Message): Live {
  switch (message.type) {
    case "snapshot":
      return fromSnapshot(message.data, message.now_ms, live.clockOffsetMs);
    case "ping":
      return withClock(live, message.data.time_ms, message.now_ms);
    case "slot-change":
      return slotChanged(live, message.data);
    case "camera-status":
      return cameraStatusChanged(live, message.data);
    case "session":
      return sessionChanged(live, message.data);
    case "layout":
      return layoutPublished(live, message.data);
    case "site-sessions":
      return sessionsCounted(live, message.data);
  }
}

function fromSnapshot(data: Snapshot, now_ms: number, clockOffsetMs: number): Live {
  const cameras = [...data.sites.flatMap((site) => site.cameras), ...data.cameras];
  return {
    loaded: true,
    sites: Object.fromEntries(
      data.sites.map(({ site_id, name, zones, slots, open_sessions }) => [
        site_id,
        {
          site_id,
          name,
          zones: zones.map((zone) => ({ zone_id: zone.zone_id, name: zone.name })),
          slots: byId(slots),
          open_sessions,
        },
      ]),
    ),
    cameras: Object.fromEntries(cameras.map((camera) => [camera.camera_id, camera])),
    changes: newest(data.changes),
    sessionIds: [],
    clockOffsetMs: data.time_ms === undefined ? clockOffsetMs : data.time_ms - now_ms,
  };
}

function withClock(live: Live, time_ms: number | undefined, now_ms: number): Live {
  if (time_ms === undefined) return live;
  const clockOffsetMs = time_ms - now_ms;
  // Half a second is the network; only a real difference is worth a new value.
  return Math.abs(clockOffsetMs - live.clockOffsetMs) < 500 ? live : { ...live, clockOffsetMs };
}

function slotChanged(live: Live, change: SlotChanged): Live {
  const site = live.sites[change.site_id];
  const slot = site?.slots[change.slot_id];
  if (!site || (slot && change.version <= slot.version)) return live;
  const seen = change.cause.kind === "frame";
  const next: SlotView = {
    ...(slot ?? unseen(change.site_id, change.slot_id, change.zone_id)),
    zone_id: change.zone_id,
    state: change.to_state,
    version: change.version,
    changed_at_ms: change.time_ms,
    observed_at_ms: seen ? change.time_ms : (slot?.observed_at_ms ?? null),
    confidence: change.confidence,
    reason: change.reason,
  };
  return {
    ...withSite(live, { ...site, slots: { ...site.slots, [slot?.slot_id ?? next.slot_id]: next } }),
    changes: newest([change, ...live.changes]),
  };
}

function cameraStatusChanged(live: Live, status: CameraStatusChanged): Live {
  const camera = live.cameras[status.camera_id] ?? unknownCamera(status.camera_id);
  if (camera.version !== undefined && status.version <= camera.version) return live;
  return withCamera(live, {
    ...camera,
    status: status.status,
    reason: status.reason,
    health: status.health ?? null,
    version: status.version,
    last_frame_at_ms: status.last_frame_at_ms ?? camera.last_frame_at_ms,
    interval_ms: status.interval_ms ?? camera.interval_ms,
  });
}

function sessionChanged(live: Live, session: SessionChanged): Live {
  const site = live.sites[session.site_id];
  const step = { opened: 1, closed: -1, overstay: 0, corrected: 0 }[session.kind];
  if (!site || step === 0 || live.sessionIds.includes(session.id)) return live;
  const sessionIds = [session.id, ...live.sessionIds].slice(0, SESSIONS_KEPT);
  return withSite({ ...live, sessionIds }, { ...site, open_sessions: Math.max(0, site.open_sessions + step) });
}

function layoutPublished(live: Live, layout: LayoutPublished): Live {
  const { site_id, camera_id } = layout;
  const before = live.cameras[camera_id] ?? unknownCamera(camera_id);
  if (layout.version < before.layout_version) return live;
  const named = layout.slots.filter((slot) => slot.enabled !== false);
  const cameras = {
    ...live.cameras,
    [camera_id]: {
      ...before,
      name: layout.camera_name,
      interval_ms: layout.interval_ms,
      layout_version: layout.version,
      slots: named.map(({ slot_id, zone_id, polygon }) => ({ slot_id, zone_id, polygon })),
    },
  };
  const old = live.sites[site_id];
  const zones = new Map([...(old?.zones ?? []), ...layout.zones].map((zone) => [zone.zone_id, zone]));
  const seen = new Set(camerasOf(cameras, site_id).flatMap((c) => c.slots.map((s) => s.slot_id)));
  const slots = Object.values(old?.slots ?? {}).filter((slot) => seen.has(slot.slot_id));
  const site: Site = {
    site_id,
    name: layout.site_name,
    zones: [...zones.values()],
    slots: {
      ...byId(slots),
      ...byId(
        named.map((slot) => ({
          ...(old?.slots[slot.slot_id] ?? unseen(site_id, slot.slot_id, slot.zone_id)),
          zone_id: slot.zone_id,
          kind: slot.kind ?? "standard",
          plan: slot.plan ?? old?.slots[slot.slot_id]?.plan ?? null,
        })),
      ),
    },
    open_sessions: old?.open_sessions ?? 0,
  };
  return withSite({ ...live, cameras }, site);
}

/** The count after a resumed connection: sessions of the gap are in it. */
function sessionsCounted(live: Live, data: Pick<SiteView, "site_id" | "open_sessions">): Live {
  const site = live.sites[data.site_id];
  return site ? withSite(live, { ...site, open_sessions: data.open_sessions }) : live;
}

export function camerasOf(cameras: Live["cameras"], site_id: string): CameraView[] {
  return Object.values(cameras)
    .filter((camera) => camera.camera_id.startsWith(`${site_id}/`))
    .sort((a, b) => a.camera_id.localeCompare(b.camera_id));
}

function newest(changes: readonly SlotChanged[]): SlotChanged[] {
  const byKey = new Map(changes.map((change) => [change.id, change]));
  return [...byKey.values()].sort((a, b) => b.time_ms - a.time_ms).slice(0, CHANGES_KEPT);
}

function withSite(live: Live, site: Site): Live {
  return { ...live, sites: { ...live.sites, [site.site_id]: site } };
}

function withCamera(live: Live, camera: CameraView): Live {
  return { ...live, cameras: { ...live.cameras, [camera.camera_id]: camera } };
}

function byId(slots: readonly SlotView[]): Record<string, SlotView> {
  return Object.fromEntries(slots.map((slot) => [slot.slot_id, slot]));
}

function unseen(site_id: string, slot_id: string, zone_id: string): SlotView {
  return {
    site_id,
    slot_id,
    zone_id,
    kind: "standard",
    state: "unknown",
    version: 0,
    changed_at_ms: null,
    observed_at_ms: null,
    confidence: 0,
    reason: "",
    camera_ids: [],
    plan: null,
  };
}

function unknownCamera(camera_id: string): CameraView {
  return {
    camera_id,
    name: camera_id.split("/")[1] ?? camera_id,
    status: "no-layout",
    reason: "",
    health: null,
    last_frame_at_ms: null,
    interval_ms: null,
    layout_version: 0,
    slots: [],
  };
}
