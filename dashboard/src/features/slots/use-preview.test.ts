// @vitest-environment happy-dom
import { act, cleanup, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { storeKey } from "../../shared/api-key";
import { addOutlines, EMPTY, setOutline, type Drawing } from "./drawing";
import type { Faults } from "./faults";
import type { Outline } from "./outlines";
import { seenAt, type Judged, type Seen } from "./preview";
import { usePreview } from "./use-preview";

const outline = (x: number): Outline => [[x, 0.1], [x + 0.1, 0.1], [x + 0.1, 0.2]]; // prettier-ignore
const TWO = addOutlines(EMPTY, [outline(0.1), outline(0.5)], "A01");
const NONE: Faults = new Map();
const STATES = { health: { status: "ok" }, outlines: ["free", "occupied"].map((state) => ({ state })) };

const fetched = vi.fn<typeof fetch>();

function answer(body: unknown, status = 200): void {
  fetched.mockResolvedValueOnce(new Response(JSON.stringify(body), { status }));
}

function shown(drawing: Drawing = TWO, faults: Faults = NONE) {
  const hook = renderHook(({ now, wrong }) => usePreview("demo/north", 7, now, wrong), {
    initialProps: { now: drawing, wrong: faults },
  });
  act(() => {
    hook.result.current.toggle();
  });
  return hook;
}

function firstSeen(judged: Judged, { slots: [slot] }: Drawing): Seen | null {
  return slot ? seenAt(judged, slot) : null;
}

async function after(ms: number): Promise<void> {
  await act(() => vi.advanceTimersByTimeAsync(ms));
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", fetched);
  storeKey("pk_1");
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  sessionStorage.clear();
  fetched.mockReset();
});

describe("the preview", () => {
  it("asks once the drawing rests, on the shown picture, and only while it is on", async () => {
    answer(STATES);
    const { result } = shown();
    await after(700);
    expect(fetched).not.toHaveBeenCalled();
    await after(200);
    const [url, init] = fetched.mock.calls[0] ?? [];
    expect(url).toBe("/api/cameras/demo/north/slot-preview");
    expect(JSON.parse(init?.body as string)).toEqual({
      frame_offset: 7,
      outlines: [outline(0.1), outline(0.5)],
    });
    expect(TWO.slots.map((slot) => seenAt(result.current.judged, slot))).toEqual(["free", "occupied"]);
    expect(result.current.words).toBe("The detector sees 1 free, 1 occupied, 0 uncertain.");
    await after(60_000);
    expect(fetched).toHaveBeenCalledOnce();
    act(() => {
      result.current.toggle();
    });
    expect(result.current.judged.size).toBe(0);
  });

  it("asks at most every two seconds while somebody draws, one request at a time", async () => {
    fetched.mockImplementation(() => Promise.resolve(new Response(JSON.stringify(STATES))));
    const { rerender } = shown();
    let now = TWO;
    for (let step = 1; step <= 10; step++) {
      await after(1_000);
      now = setOutline(now, 0, outline(0.1 + step / 100));
      rerender({ now, wrong: NONE });
    }
    expect(fetched.mock.calls.length).toBeGreaterThan(2);
    expect(fetched.mock.calls.length).toBeLessThanOrEqual(5);
  });

  it("does not colour an outline that was changed since, nor ask for one with a fault", async () => {
    answer(STATES);
    answer({ ...STATES, outlines: STATES.outlines.slice(1) });
    const { result, rerender } = shown();
    await after(1_000);
    const now = setOutline(TWO, 0, outline(0.2));
    rerender({ now, wrong: new Map([[1, ["crosses itself"]]]) });
    expect(firstSeen(result.current.judged, now)).toBeNull();
    await after(3_000);
    expect(JSON.parse(fetched.mock.calls[1]?.[1]?.body as string)).toMatchObject({
      outlines: [outline(0.2)],
    });
    expect(firstSeen(result.current.judged, now)).toBe("occupied");
  });

  it("says that the detector is busy or away, and tries again later", async () => {
    answer({ error: "busy", detail: "the detector is busy with the cameras" }, 503);
    answer({ error: "no-detector", detail: "the detector does not answer" }, 503);
    answer(STATES);
    const { result } = shown();
    await after(1_000);
    expect(result.current.words).toBe("the detector is busy with the cameras");
    await after(5_500);
    expect(result.current.words).toBe("the detector does not answer");
    await after(10_000);
    expect(fetched).toHaveBeenCalledTimes(2);
    await after(21_000);
    expect(result.current.words).toContain("1 free");
  });

  it("stops when another attempt is of no use", async () => {
    answer({ error: "no-picture", detail: "reload the page" }, 404);
    const { result } = shown();
    await after(120_000);
    expect(fetched).toHaveBeenCalledOnce();
    expect([result.current.words, result.current.fault]).toEqual(["reload the page", true]);
  });

  it("asks for the API key instead of the detector if there is none", async () => {
    sessionStorage.clear();
    const { result } = shown();
    await after(5_000);
    expect(fetched).not.toHaveBeenCalled();
    expect(result.current.words).toContain("needs an API key");
  });
});
