/**
 * Applies messages to the page's state. Pure, so that tests need no browser. Values are never changed
 * in place: unchanged parts keep their identity, and the components that show them do not render again.
 */
import type { CameraStatusChanged, LayoutPublished, SessionChanged, SlotChanged } from "./events";
import { camerasOf, isDrawn, layoutPublished, unknownCamera, unseen } from "./layouts";
import type { Live, Seen, Site } from "./live";
import type { CameraSnapshot, CameraView, SiteView, SlotView, Snapshot } from "./views";

export type Message =
  | { type: "snapshot"; data: Snapshot; now_ms: number }
  | { type: "ping"; data: Ping; now_ms: number }
  | { type: "slot-change"; data: SlotChanged }
  | { type: "camera-status"; data: CameraStatusChanged }
  | { type: "session"; data: SessionChanged }
  | { type: "site-sessions"; data: Pick<SiteView, "site_id" | "open_sessions"> }
  | { type: "layout"; data: LayoutPublished };

interface Ping {
  time_ms?: number;
  still_since_ms?: number;
  stages_still_since_ms?: Readonly<Record<string, number>>;
}

export const CHANGES_KEPT = 50;
const SESSIONS_KEPT = 200;
/** The reason in the last event of a removed camera or slot. */
const REMOVED = "removed";

export const EMPTY: Live = {
  loaded: false,
  sites: {},
  cameras: {},
  sightings: {},
  changes: [],
  clockOffsetMs: 0,
  stillSinceMs: null,
  stagesStillSinceMs: {},
  sessionIds: [],
};

export function apply(live: Live, message: Message): Live {
  switch (message.type) {
    case "snapshot":
      return fromSnapshot(message.data, message.now_ms, live.clockOffsetMs);
    case "ping":
      return withClock(withStill(live, message.data), message.data.time_ms, message.now_ms);
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

function withStill(live: Live, ping: Ping): Live {
  const stillSinceMs = ping.still_since_ms ?? null;
  const stages = ping.stages_still_since_ms ?? {};
  const sameStages = JSON.stringify(live.stagesStillSinceMs) === JSON.stringify(stages);
  if (live.stillSinceMs === stillSinceMs && sameStages) return live;
  return { ...live, stillSinceMs, stagesStillSinceMs: sameStages ? live.stagesStillSinceMs : stages };
}

function fromSnapshot(data: Snapshot, now_ms: number, clockOffsetMs: number): Live {
  const cameras = [...data.sites.flatMap((site) => site.cameras), ...data.cameras];
  return {
    loaded: true,
    sites: Object.fromEntries(
      data.sites.map(({ site_id, name, zones, slots, open_sessions, capacity, public: isPublic = false }) => [
        site_id,
        {
          site_id,
          name,
          zones: zones.map((zone) => ({ zone_id: zone.zone_id, name: zone.name })),
          slots: byId(slots),
          undrawn: {},
          open_sessions,
          capacity: capacity ?? null,
          public: isPublic,
        },
      ]),
    ),
    cameras: Object.fromEntries(cameras.map((camera) => [camera.camera_id, camera])),
    sightings: Object.fromEntries(cameras.map((camera) => [camera.camera_id, sightingOf(camera, 0)])),
    changes: newest(data.changes),
    sessionIds: [],
    stillSinceMs: null, // otherwise a ping follows
    stagesStillSinceMs: {},
    clockOffsetMs: data.time_ms === undefined ? clockOffsetMs : data.time_ms - now_ms,
  };
}

function sightingOf(status: CameraStatusChanged | CameraSnapshot, version: number): Seen {
  return {
    last_frame_at_ms: status.last_frame_at_ms ?? null,
    analysed_every_ms: status.analysed_every_ms ?? null,
    load_level: status.load_level ?? 0,
    evidence_at_ms: status.evidence_at_ms ?? {},
    version,
  };
}

/** Returns `old` if nothing changed, to keep its identity: every status repeats the parts. */
function sameParts(old: NonNullable<CameraView["blurred"]>, next: NonNullable<CameraView["blurred"]>) {
  return JSON.stringify(old) === JSON.stringify(next) ? old : next;
}

function withClock(live: Live, time_ms: number | undefined, now_ms: number): Live {
  if (time_ms === undefined) return live;
  const clockOffsetMs = time_ms - now_ms;
  // Less than half a second may be network delay.
  return Math.abs(clockOffsetMs - live.clockOffsetMs) < 500 ? live : { ...live, clockOffsetMs };
}

/** A change may arrive before the layout that names its slot or its site. */
function slotChanged(live: Live, change: SlotChanged): Live {
  const { site_id, slot_id, zone_id } = change;
  const site = live.sites[site_id] ?? newSite(site_id);
  const slot = site.slots[slot_id] ?? site.undrawn[slot_id];
  if (slot && change.version <= slot.version) return live;
  if (change.reason === REMOVED) return slotRemoved(live, change);
  const next: SlotView = {
    ...(slot ?? unseen(site_id, slot_id, zone_id)),
    zone_id,
    state: change.to_state,
    version: change.version,
    changed_at_ms: change.time_ms,
    observed_at_ms: change.observed_at_ms ?? observedAt(change, slot),
    confidence: change.confidence,
    reason: change.reason,
    issued_by: change.issued_by ?? null,
    straddling: change.straddling ?? [],
  };
  const drawn = Object.hasOwn(site.slots, slot_id) || isDrawn(live.cameras, site_id, slot_id);
  const place = drawn ? "slots" : "undrawn";
  return {
    ...withSite(live, { ...site, [place]: { ...site[place], [slot_id]: next } }),
    changes: newest([change, ...live.changes]),
  };
}

/** For older trackers, which do not send `observed_at_ms`. */
function observedAt({ cause, time_ms }: SlotChanged, slot: SlotView | undefined): number | null {
  return cause.kind === "frame" ? time_ms : (slot?.observed_at_ms ?? null);
}

function cameraStatusChanged(live: Live, status: CameraStatusChanged): Live {
  const { camera_id, version } = status;
  const camera = live.cameras[camera_id] ?? unknownCamera(camera_id);
  const before = live.sightings[camera_id];
  if (before && version <= before.version) return live;
  if (status.reason === REMOVED) return cameraRemoved(live, status.site_id, camera_id);
  const next: CameraView = {
    ...camera,
    status: status.status,
    reason: status.reason,
    health: status.health ?? null,
    interval_ms: status.interval_ms ?? camera.interval_ms,
    blurred: sameParts(camera.blurred ?? [], status.blurred ?? []),
    since_ms: status.since_ms ?? null,
  };
  const updated = { ...live, sightings: { ...live.sightings, [camera_id]: sightingOf(status, version) } };
  return live.cameras[camera_id] && isSame(camera, next) ? updated : withCamera(updated, next);
}

/** Removing the last camera of a site removes the site, because no event about it follows. */
function cameraRemoved(live: Live, site_id: string, camera_id: string): Live {
  const cameras = without(live.cameras, camera_id);
  const sightings = without(live.sightings, camera_id);
  if (camerasOf(cameras, site_id).length > 0) return { ...live, cameras, sightings };
  return { ...live, cameras, sightings, sites: without(live.sites, site_id) };
}

function without<T>(all: Readonly<Record<string, T>>, id: string): Record<string, T> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => name !== id));
}

function slotRemoved(live: Live, change: SlotChanged): Live {
  const site = live.sites[change.site_id];
  if (!site) return live;
  const slots = without(site.slots, change.slot_id);
  const undrawn = without(site.undrawn, change.slot_id);
  return {
    ...withSite(live, { ...site, slots, undrawn }),
    changes: newest([change, ...live.changes]),
  };
}

function isSame(a: CameraView, b: CameraView): boolean {
  return (
    a.status === b.status && a.reason === b.reason && a.health === b.health && a.interval_ms === b.interval_ms
  );
}

function sessionChanged(live: Live, session: SessionChanged): Live {
  const site = live.sites[session.site_id];
  const step = sessionStep(session);
  const known = session.number_in ?? null; // older trackers do not send it
  if (!site || live.sessionIds.includes(session.id) || (known === null && step === 0)) return live;
  const sessionIds = [session.id, ...live.sessionIds].slice(0, SESSIONS_KEPT);
  return withSite(
    { ...live, sessionIds },
    {
      ...site,
      open_sessions: known ?? Math.max(0, site.open_sessions + step),
      capacity: (known === null ? site.capacity : session.capacity) ?? null,
    },
  );
}

/** A correction ends an open session, unless it is an exit without an entry. */
function sessionStep({ kind, reason }: SessionChanged): number {
  if (kind === "corrected") return reason === "exit-without-entry" ? 0 : -1;
  return { opened: 1, closed: -1, overstay: 0 }[kind];
}

/** The count after a resumed connection includes the sessions of the gap. */
function sessionsCounted(live: Live, data: Pick<SiteView, "site_id" | "open_sessions">): Live {
  const site = live.sites[data.site_id];
  return site ? withSite(live, { ...site, open_sessions: data.open_sessions }) : live;
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

function newSite(site_id: string): Site {
  return {
    site_id,
    name: site_id,
    zones: [],
    slots: {},
    undrawn: {},
    open_sessions: 0,
    capacity: null,
    public: false,
  };
}

function byId(slots: readonly SlotView[]): Record<string, SlotView> {
  return Object.fromEntries(slots.map((slot) => [slot.slot_id, slot]));
}
