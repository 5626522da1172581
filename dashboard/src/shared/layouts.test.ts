import { describe, expect, it } from "vitest";

import type { LayoutPublished, SlotChanged } from "./events";
import type { Live } from "./live";
import { apply, EMPTY } from "./live-state";

const LOADED = apply(EMPTY, { type: "snapshot", data: { sites: [], cameras: [], changes: [] }, now_ms: 0 });

const FIRST: LayoutPublished = {
  id: "demo/north/layout/1",
  site_id: "demo",
  time_ms: 1,
  camera_id: "demo/north",
  version: 1,
  site_name: "Demo",
  camera_name: "north",
  interval_ms: 500,
  zones: [],
  slots: [],
};

function published(live: Live, camera: string, version: number, slot_ids: string[]): Live {
  const data: LayoutPublished = {
    id: `demo/${camera}/layout/${version}`,
    site_id: "demo",
    time_ms: version,
    camera_id: `demo/${camera}`,
    version,
    site_name: "Demo",
    camera_name: camera,
    interval_ms: 500,
    zones: [{ zone_id: "A", name: "Row A" }],
    slots: slot_ids.map((slot_id) => ({
      slot_id,
      zone_id: "A",
      polygon: [
        [0, 0],
        [1, 0],
        [1, 1],
      ],
    })),
  };
  return apply(live, { type: "layout", data });
}

function changed(live: Live, slot_id: string, version: number, to_state: SlotChanged["to_state"]): Live {
  const data: SlotChanged = {
    id: `${slot_id}/${version}`,
    site_id: "demo",
    time_ms: 1_000 * version,
    slot_id,
    zone_id: "A",
    from_state: "unknown",
    to_state,
    version,
    confidence: 0.8,
    reason: "evidence",
    cause: { kind: "frame", id: "demo/north/1/2" },
  };
  return apply(live, { type: "slot-change", data });
}

function states(live: Live): Record<string, string> {
  const slots = Object.values(live.sites.demo?.slots ?? {});
  return Object.fromEntries(slots.map((slot) => [slot.slot_id, slot.state]));
}

describe("a layout", () => {
  it("switches the driver view on and off; one without settings changes nothing", () => {
    const switched = (live: Live, version: number, site: LayoutPublished["site"]) => {
      const data = { ...FIRST, version, ...(site === undefined ? {} : { site }) };
      return apply(live, { type: "layout", data });
    };
    const on = switched(LOADED, 1, { public: true });
    expect(on.sites.demo?.public).toBe(true);
    expect(switched(on, 2, undefined).sites.demo?.public).toBe(true);
    expect(switched(on, 2, null).sites.demo?.public).toBe(true);
    expect(switched(on, 2, { public: false }).sites.demo?.public).toBe(false);
    expect(switched(LOADED, 1, undefined).sites.demo?.public).toBe(false);
  });

  it("keeps the states of slots it still names, and drops the others", () => {
    const live = changed(published(LOADED, "north", 1, ["A1", "A2"]), "A1", 3, "free");
    expect(states(published(live, "north", 2, ["A1", "A3"]))).toEqual({ A1: "free", A3: "unknown" });
  });

  it("without a slot keeps it hidden when the tracker then reports it unknown", () => {
    const live = published(published(LOADED, "north", 1, ["A1", "A3"]), "north", 2, ["A1"]);
    expect(states(changed(live, "A3", 4, "unknown"))).toEqual({ A1: "unknown" });
  });

  it("that names a slot again shows its last reported state", () => {
    const live = changed(published(LOADED, "north", 1, ["A1", "A3"]), "A3", 4, "occupied");
    const back = published(published(live, "north", 2, ["A1"]), "north", 3, ["A1", "A3"]);
    expect(states(back)).toEqual({ A1: "unknown", A3: "occupied" });
  });

  it("lists the cameras of each slot", () => {
    const live = published(published(LOADED, "north", 1, ["A1", "A2"]), "east", 1, ["A2"]);
    expect(live.sites.demo?.slots.A1?.camera_ids).toEqual(["demo/north"]);
    expect(live.sites.demo?.slots.A2?.camera_ids).toEqual(["demo/east", "demo/north"]);
  });

  it("leaves the slots of other cameras as they are", () => {
    const live = published(LOADED, "north", 1, ["A1"]);
    expect(published(live, "east", 1, ["B1"]).sites.demo?.slots.A1).toBe(live.sites.demo?.slots.A1);
  });
});

describe("after a gap, changes come before layouts", () => {
  it("of a new site", () => {
    const early = changed(changed(LOADED, "A1", 1, "free"), "B1", 1, "occupied");
    const live = published(published(early, "north", 1, ["A1"]), "east", 1, ["B1"]);
    expect(states(live)).toEqual({ A1: "free", B1: "occupied" });
    expect(live.changes).toHaveLength(2);
  });

  it("that name a new slot", () => {
    const early = changed(published(LOADED, "north", 1, ["A1"]), "A2", 1, "free");
    expect(states(early)).toEqual({ A1: "unknown" });
    expect(states(published(early, "north", 2, ["A1", "A2"]))).toEqual({ A1: "unknown", A2: "free" });
  });
});
