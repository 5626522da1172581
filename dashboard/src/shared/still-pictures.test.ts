// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { stream } from "../stream";
import { storeKey } from "./api-key";
import type { Live } from "./live";
import { isJudged, judgeAgain } from "./still-pictures";

const original = globalThis.fetch;
const JPEG = new Blob(["jpeg"], { type: "image/jpeg" });

/** A camera with two spaces in these states. */
function live(version: number, ...states: string[]): Live {
  const slots = states.map((state, index) => ({ slot_id: `A${index}`, state }));
  const camera = { layout_version: version, slots };
  const site = { slots: Object.fromEntries(slots.map((slot) => [slot.slot_id, slot])) };
  return { cameras: { "demo/trial": camera }, sites: { demo: site } } as unknown as Live;
}

let statuses: number[] = [];
let sent = 0;

beforeEach(() => {
  sent = 0;
  storeKey("pk_test");
  globalThis.fetch = () => {
    sent += 1;
    return Promise.resolve(new Response("{}", { status: statuses.shift() ?? 202 }));
  };
});

afterEach(() => {
  vi.restoreAllMocks();
  sessionStorage.clear();
  globalThis.fetch = original;
});

function showing(...lives: Live[]): void {
  const state = stream.getState();
  vi.spyOn(stream, "getState").mockImplementation(() => ({ ...state, live: lives.shift() ?? state.live }));
}

describe("judgeAgain", () => {
  it("sends the picture until all spaces of the version have a state", async () => {
    showing(live(1, "free", "free"), live(2, "free", "unknown"), live(2, "free", "occupied"));
    expect(await judgeAgain("demo/trial", 2, JPEG, 0)).toBeNull();
    expect(sent).toBe(3);
  });

  it("gives up on spaces in doubt", async () => {
    const doubt = live(2, "unknown");
    showing(...Array<Live>(9).fill(doubt));
    expect(await judgeAgain("demo/trial", 2, JPEG, 0)).toBeNull();
    expect(sent).toBe(5);
  });

  it("stops at an error", async () => {
    statuses = [202, 503];
    showing(live(1));
    expect((await judgeAgain("demo/trial", 2, JPEG, 0))?.status).toBe(503);
    expect(sent).toBe(2);
  });
});

describe("isJudged", () => {
  it("needs the camera, the version and the states", () => {
    expect(isJudged(live(2, "free"), "demo/other", 2)).toBe(false);
    expect(isJudged(live(1, "free"), "demo/trial", 2)).toBe(false);
    expect(isJudged(live(3, "free", "closed"), "demo/trial", 2)).toBe(true);
  });
});
