import { describe, expect, it } from "vitest";

import type { CameraStatusChanged, SlotChanged } from "./events";
import type { Live } from "./live";
import { apply, CHANGES_KEPT, EMPTY } from "./live-state";
import type { CameraSnapshot, SlotView } from "./views";

const SLOT: SlotView = {
  site_id: "demo",
  slot_id: "A1",
  zone_id: "A",
  kind: "standard",
  state: "free",
  version: 3,
  changed_at_ms: 1_000,
  observed_at_ms: 1_000,
  confidence: 0.9,
  reason: "evidence",
  camera_ids: ["demo/north"],
  plan: null,
};
const CAMERA: CameraSnapshot = {
  camera_id: "demo/north",
  name: "North",
  status: "online",
  reason: "fresh",
  health: "ok",
  last_frame_at_ms: 1_000,
  interval_ms: 1_000,
  layout_version: 1,
  slots: [
    {
      slot_id: "A1",
      zone_id: "A",
      polygon: [
        [0, 0],
        [1, 0],
        [1, 1],
      ],
    },
  ],
};
const CHANGE: SlotChanged = {
  id: "c4",
  site_id: "demo",
  time_ms: 5_000,
  slot_id: "A1",
  zone_id: "A",
  from_state: "free",
  to_state: "occupied",
  version: 4,
  confidence: 0.8,
  reason: "evidence",
  cause: { kind: "frame", id: "demo/north/1/2" },
};

function loaded(): Live {
  const site = {
    site_id: "demo",
    name: "Demo",
    zones: [{ zone_id: "A", name: "Row A" }],
    cameras: [CAMERA],
    slots: [SLOT],
    open_sessions: 2,
  };
  const data = { sites: [site], cameras: [CAMERA], changes: [], time_ms: 10_000 };
  return apply(EMPTY, { type: "snapshot", data, now_ms: 9_000 });
}

function changed(live: Live, change: Partial<SlotChanged>): Live {
  return apply(live, { type: "slot-change", data: { ...CHANGE, ...change } });
}

describe("a server without new data", () => {
  it("is shown as such until a ping or a snapshot clears it", () => {
    const ping = (still: { still_since_ms?: number } = {}) =>
      ({ type: "ping", data: { time_ms: 1, ...still }, now_ms: 1 }) as const;
    const still = apply(EMPTY, ping({ still_since_ms: 5 }));
    expect(still.stillSinceMs).toBe(5);
    expect(apply(still, ping()).stillSinceMs).toBeNull();
    const data = { time_ms: 1, sites: [], cameras: [], changes: [] };
    expect(apply(still, { type: "snapshot", data, now_ms: 1 }).stillSinceMs).toBeNull();
  });
});

describe("a service that has stalled", () => {
  it("is named until a ping no longer names it", () => {
    const ping = (stages_still_since_ms?: Record<string, number>) =>
      ({
        type: "ping",
        data: { ...(stages_still_since_ms && { stages_still_since_ms }) },
        now_ms: 1,
      }) as const;
    const still = apply(EMPTY, ping({ detector: 5 }));
    expect(still.stagesStillSinceMs).toEqual({ detector: 5 });
    expect(apply(still, ping({ detector: 5 }))).toBe(still);
    expect(apply(still, ping()).stagesStillSinceMs).toEqual({});
  });
});

describe("a slot change", () => {
  it("becomes the slot's state and the newest of the changes", () => {
    const live = changed(loaded(), {});
    expect(live.sites.demo?.slots.A1).toMatchObject({ state: "occupied", version: 4, changed_at_ms: 5_000 });
    expect(live.changes.map((change) => change.id)).toEqual(["c4"]);
  });

  it.each([3, 2])("of version %i does nothing to a slot of version 3", (version) => {
    const before = loaded();
    expect(changed(before, { version })).toBe(before);
  });

  it("does nothing when it arrives twice", () => {
    const once = changed(loaded(), {});
    expect(changed(once, {})).toBe(once);
  });

  it("of a tick does not count as an observation", () => {
    const live = changed(loaded(), { to_state: "unknown", cause: { kind: "tick", id: "t" } });
    expect(live.sites.demo?.slots.A1?.observed_at_ms).toBe(1_000);
    const observed = changed(loaded(), {
      to_state: "unknown",
      cause: { kind: "tick", id: "t" },
      observed_at_ms: 4_000,
    });
    expect(observed.sites.demo?.slots.A1?.observed_at_ms).toBe(4_000);
  });

  it("removes the oldest change from a full list", () => {
    let live = loaded();
    for (let i = 0; i < CHANGES_KEPT + 5; i++)
      live = changed(live, { id: `c${i}`, version: 4 + i, time_ms: 5_000 + i });
    expect(live.changes).toHaveLength(CHANGES_KEPT);
    expect(live.changes[0]?.id).toBe(`c${CHANGES_KEPT + 4}`);
  });
});

describe("the other messages", () => {
  it("take the server's clock from the snapshot and from pings", () => {
    expect(loaded().clockOffsetMs).toBe(1_000);
    const live = apply(loaded(), { type: "ping", data: { time_ms: 30_000 }, now_ms: 9_000 });
    expect(live.clockOffsetMs).toBe(21_000);
  });

  it("apply a camera's status once, and only a newer one", () => {
    const status: CameraStatusChanged = {
      id: "s",
      site_id: "demo",
      time_ms: 6_000,
      camera_id: "demo/north",
      status: "offline",
      reason: "silent",
      version: 7,
    };
    const live = apply(loaded(), { type: "camera-status", data: status });
    expect(live.cameras["demo/north"]).toMatchObject({
      status: "offline",
      name: "North",
      interval_ms: 1_000,
    });
    const older = { ...status, status: "online" as const, version: 6 };
    expect(apply(live, { type: "camera-status", data: older })).toBe(live);
  });

  it("remove a camera and a slot, and the site with its last camera", () => {
    const status: CameraStatusChanged = {
      id: "s",
      site_id: "demo",
      time_ms: 6_000,
      camera_id: "demo/north",
      status: "offline",
      reason: "removed",
      version: 7,
    };
    const removed = apply(loaded(), { type: "camera-status", data: status });
    expect(removed.cameras["demo/north"]).toBeUndefined();
    expect(removed.sites.demo === undefined).toBe(Object.keys(loaded().cameras).length === 1);
    const stays = apply(loaded(), { type: "camera-status", data: { ...status, reason: "silent" } });
    expect(stays.cameras["demo/north"]).toBeDefined();
    const data = { ...CHANGE, reason: "removed", version: 99 };
    const without = apply(loaded(), { type: "slot-change", data });
    expect(without.sites.demo?.slots[data.slot_id]).toBeUndefined();
    expect(loaded().sites.demo?.slots[data.slot_id]).toBeDefined();
  });

  it("keep a camera's identity while only its times change", () => {
    const data: CameraStatusChanged = {
      id: "s",
      site_id: "demo",
      time_ms: 6_000,
      camera_id: "demo/north",
      status: "online",
      reason: "fresh",
      health: "ok",
      version: 7,
      last_frame_at_ms: 6_000,
      analysed_every_ms: 6_000,
      load_level: 4,
      evidence_at_ms: { A1: 2_000 },
    };
    const before = loaded();
    expect(before.sightings["demo/north"]).toMatchObject({ last_frame_at_ms: 1_000, load_level: 0 });
    const live = apply(before, { type: "camera-status", data });
    expect(live.cameras).toBe(before.cameras);
    expect(live.sightings["demo/north"]).toEqual({
      last_frame_at_ms: 6_000,
      analysed_every_ms: 6_000,
      load_level: 4,
      evidence_at_ms: { A1: 2_000 },
      version: 7,
    });
    const dark = { ...data, status: "degraded" as const, reason: "dark", version: 8 };
    expect(apply(live, { type: "camera-status", data: dark }).cameras).not.toBe(before.cameras);
  });

  it("count a session once, however often its event arrives", () => {
    const data = {
      id: "g1",
      site_id: "demo",
      time_ms: 1,
      session_id: "s1",
      kind: "opened" as const,
      cause: { kind: "gate" as const, id: "g1" },
    };
    const once = apply(loaded(), { type: "session", data });
    expect(once.sites.demo?.open_sessions).toBe(3);
    expect(apply(once, { type: "session", data }).sites.demo?.open_sessions).toBe(3);
  });

  it.each([
    ["entered-again", 1],
    ["too-many-open", 1],
    ["exit-without-entry", 2],
  ])("count a session corrected for %s as the gates do: %i of 2 left", (reason, left) => {
    const data = {
      id: "g1",
      site_id: "demo",
      time_ms: 1,
      session_id: "s1",
      kind: "corrected" as const,
      reason,
      cause: { kind: "gate" as const, id: "g1" },
    };
    expect(apply(loaded(), { type: "session", data }).sites.demo?.open_sessions).toBe(left);
  });

  it("take the number of vehicles inside from the event", () => {
    const data = {
      id: "g1",
      site_id: "demo",
      time_ms: 1,
      session_id: "s1",
      kind: "closed" as const,
      number_in: 7,
      cause: { kind: "gate" as const, id: "g1" },
    };
    expect(apply(loaded(), { type: "session", data }).sites.demo?.open_sessions).toBe(7);
  });
});
