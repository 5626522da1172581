/** Applies a published layout to a site's cameras and slots. Pure. */
import type { LayoutPublished, LayoutSlot } from "./events";
import type { Live, Site } from "./live";
import type { CameraView, SlotView } from "./views";

type Slots = Readonly<Record<string, SlotView>>;

export function camerasOf(cameras: Live["cameras"], site_id: string): CameraView[] {
  return Object.values(cameras)
    .filter((camera) => camera.camera_id.startsWith(`${site_id}/`))
    .sort((a, b) => a.camera_id.localeCompare(b.camera_id, "en", { numeric: true }));
}

const NEED: Readonly<Record<CameraView["status"], number>> = {
  offline: 0,
  degraded: 1,
  "no-layout": 2,
  online: 3,
};

/** Sorts cameras by how urgently they need attention; keeps the order within a status. */
export function byNeed(cameras: readonly CameraView[]): CameraView[] {
  return cameras.toSorted((a, b) => NEED[a.status] - NEED[b.status]);
}

/** Whether a layout of the site names the slot. In a site without layouts, every slot counts. */
export function isDrawn(cameras: Live["cameras"], site_id: string, slot_id: string): boolean {
  const drawn = camerasOf(cameras, site_id).filter((camera) => camera.layout_version > 0);
  return drawn.length === 0 || drawn.some(({ slots }) => slots.some((slot) => slot.slot_id === slot_id));
}

export function layoutPublished(live: Live, layout: LayoutPublished): Live {
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
  const site: Site = {
    site_id,
    name: layout.site_name,
    zones: [...zones.values()],
    ...slotsOf(camerasOf(cameras, site_id), site_id, { ...old?.undrawn, ...old?.slots }, named),
    open_sessions: old?.open_sessions ?? 0,
    capacity: old?.capacity ?? null,
    public: isPublic(layout, old),
  };
  return { ...live, cameras, sites: { ...live.sites, [site_id]: site } };
}

/** A layout without settings leaves those of its site as they are. */
function isPublic({ site }: LayoutPublished, old: Site | undefined): boolean {
  return (site ? site.public : old?.public) ?? false;
}

/** Splits the site's slots by whether a camera names them. */
function slotsOf(
  cameras: readonly CameraView[],
  site_id: string,
  known: Slots,
  named: readonly LayoutSlot[],
): Pick<Site, "slots" | "undrawn"> {
  const slots: Record<string, SlotView> = {};
  const undrawn: Record<string, SlotView> = {};
  const drawings = new Map(named.map((slot) => [slot.slot_id, slot]));
  const seenBy = new Map<string, { zone_id: string; camera_ids: string[] }>();
  for (const camera of cameras) {
    for (const { slot_id, zone_id } of camera.slots) {
      const seen = seenBy.get(slot_id);
      if (seen) seen.camera_ids.push(camera.camera_id);
      else seenBy.set(slot_id, { zone_id, camera_ids: [camera.camera_id] });
    }
  }
  for (const [slot_id, { zone_id, camera_ids }] of seenBy) {
    const slot = withCameras(known[slot_id] ?? unseen(site_id, slot_id, zone_id), camera_ids);
    const drawing = drawings.get(slot_id);
    slots[slot_id] = drawing ? drawn(slot, drawing) : slot;
  }
  for (const slot of Object.values(known)) {
    if (!seenBy.has(slot.slot_id)) undrawn[slot.slot_id] = { ...slot, camera_ids: [], plan: null };
  }
  return { slots, undrawn };
}

function drawn(slot: SlotView, { zone_id, kind, plan }: LayoutSlot): SlotView {
  return { ...slot, zone_id, kind: kind ?? "standard", plan: plan ?? slot.plan };
}

/** Returns the same object if the cameras did not change. */
function withCameras(slot: SlotView, camera_ids: readonly string[]): SlotView {
  return slot.camera_ids.join() === camera_ids.join() ? slot : { ...slot, camera_ids };
}

export function unseen(site_id: string, slot_id: string, zone_id: string): SlotView {
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

export function unknownCamera(camera_id: string): CameraView {
  return {
    camera_id,
    name: camera_id.split("/")[1] ?? camera_id,
    status: "no-layout",
    reason: "",
    health: null,
    interval_ms: null,
    layout_version: 0,
    slots: [],
  };
}
