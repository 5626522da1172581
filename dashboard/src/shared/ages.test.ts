import { describe, expect, it } from "vitest";

import { busyWords, evidenceOf, isOld, oldSlots, seenAgo } from "./ages";
import type { Seen } from "./live";
import type { CameraView, SlotView } from "./views";

const NOW_MS = 1_000_000;
const SLOT: SlotView = {
  site_id: "demo",
  slot_id: "A1",
  zone_id: "A",
  kind: "standard",
  state: "free",
  version: 3,
  changed_at_ms: 1_000,
  observed_at_ms: NOW_MS - 60_000,
  confidence: 0.9,
  reason: "observed",
  camera_ids: ["demo/north", "demo/south"],
  plan: null,
};

function camera(camera_id: string, change: Partial<CameraView> = {}): CameraView {
  return {
    camera_id,
    name: camera_id,
    status: "online",
    reason: "ok",
    health: "ok",
    interval_ms: 1_000,
    layout_version: 1,
    slots: [],
    ...change,
  };
}

function seen(age_ms: number, change: Partial<Seen> = {}): Seen {
  return {
    last_frame_at_ms: NOW_MS - age_ms,
    analysed_every_ms: null,
    load_level: 0,
    evidence_at_ms: {},
    version: 1,
    ...change,
  };
}

function cameras(...all: CameraView[]): Map<string, CameraView> {
  return new Map(all.map((each) => [each.camera_id, each]));
}

const NORTH = camera("demo/north");

describe("the age of a slot", () => {
  it.each<[string, CameraView[], Record<string, Seen>, string]>([
    ["its camera's last picture", [NORTH], { "demo/north": seen(4_000) }, "4 s ago"],
    [
      "the newer of two cameras",
      [NORTH, camera("demo/south")],
      { "demo/north": seen(9_000), "demo/south": seen(5_000) },
      "5 s ago",
    ],
    [
      "the last clear view",
      [NORTH],
      { "demo/north": seen(1_000, { evidence_at_ms: { A1: NOW_MS - 12_000 } }) },
      "12 s ago",
    ],
    [
      "the observation behind its state, if the camera never saw it",
      [NORTH],
      { "demo/north": seen(0, { evidence_at_ms: { A1: 0 } }) },
      "1 min ago",
    ],
    [
      "the observation behind its state, if the camera is covered",
      [camera("demo/north", { status: "degraded" })],
      { "demo/north": seen(0) },
      "1 min ago",
    ],
    [
      "the observation behind its state, if only other cameras are online",
      [camera("demo/west")],
      { "demo/west": seen(0) },
      "1 min ago",
    ],
  ])("is the age of %s", (_, all, sightings, words) => {
    expect(seenAgo(evidenceOf(SLOT, cameras(...all), sightings), NOW_MS)).toBe(words);
  });

  it('is "never" before any camera has seen it', () => {
    const sightings = { "demo/north": seen(0) };
    expect(seenAgo(evidenceOf({ ...SLOT, version: 0 }, cameras(NORTH), sightings), NOW_MS)).toBe("never");
    const unseen = { ...SLOT, observed_at_ms: null };
    expect(seenAgo(evidenceOf(unseen, cameras(), {}), NOW_MS)).toBe("never");
  });
});

describe("a slot is old", () => {
  it.each([
    [1_000, 6_000, false],
    [1_000, 6_001, true],
    [5_000, 15_000, false],
    [5_000, 15_001, true],
  ])("at an interval of %i ms and an age of %i ms: %s", (interval_ms, age_ms, old) => {
    const sightings = { "demo/north": seen(age_ms) };
    const evidence = evidenceOf(SLOT, cameras(camera("demo/north", { interval_ms })), sightings);
    expect(isOld(SLOT, evidence, NOW_MS)).toBe(old);
  });

  it("unless it is unknown, closed or corrected by an operator", () => {
    const evidence = { at_ms: 0, old_ms: 6_000 };
    expect(isOld(SLOT, evidence, NOW_MS)).toBe(true);
    for (const state of ["unknown", "closed"] as const) {
      expect(isOld({ ...SLOT, state }, evidence, NOW_MS)).toBe(false);
    }
    expect(isOld({ ...SLOT, reason: "corrected" }, evidence, NOW_MS)).toBe(false);
    expect(isOld(SLOT, null, NOW_MS)).toBe(false);
  });

  it("in words that change rarely", () => {
    const words = (age_ms: number) =>
      oldSlots([SLOT], cameras(NORTH), { "demo/north": seen(age_ms) }, NOW_MS).get("A1");
    expect(words(6_000)).toBeUndefined();
    expect(words(7_000)).toBe("last seen over 5 s ago");
    expect(words(19_900)).toBe("last seen over 10 s ago");
    expect(words(20_000)).toBe("last seen over 20 s ago");
  });
});

describe("a busy computer", () => {
  const busy = (change: Partial<Seen>, status: CameraView["status"] = "online") =>
    busyWords(camera("demo/north", { status }), seen(0, change));

  it.each([
    [6_000, "analysed every 6 s instead of every 1 s because the server is busy"],
    [5_870, "analysed every 6 s instead of every 1 s because the server is busy"],
    [1_530, "analysed every 1.5 s instead of every 1 s because the server is busy"],
    [1_400, null],
  ])("that analyses every %i ms: %s", (analysed_every_ms, words) => {
    expect(busy({ analysed_every_ms, load_level: 4 })).toBe(words);
  });

  it("is not blamed for a camera that sends rarely or not at all", () => {
    expect(busy({ analysed_every_ms: 6_000, load_level: 0 })).toBeNull();
    expect(busy({ analysed_every_ms: 6_000, load_level: 4 }, "offline")).toBeNull();
    expect(busy({ analysed_every_ms: null, load_level: 4 })).toBeNull();
    expect(busyWords(NORTH, undefined)).toBeNull();
  });
});
