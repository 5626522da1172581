// @vitest-environment happy-dom
import { cleanup, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { storedDraft } from "./draft";
import { EMPTY, type Drawing } from "./drawing";
import { useDraft } from "./use-draft";

const CAMERA = "demo/north";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
  localStorage.clear();
});

function show() {
  const initialProps: { drawing: Drawing | null } = { drawing: EMPTY };
  return renderHook(({ drawing }) => useDraft(CAMERA, drawing && { base: 3, drawing }), { initialProps });
}

function stored(): number | undefined {
  return storedDraft(CAMERA)?.drawing.zones.length;
}

function zones(count: number): Drawing {
  return { slots: [], zones: Array.from({ length: count }, (_, i) => ({ zone_id: `${i}`, name: "" })) };
}

describe("the draft", () => {
  it("is stored once after a run of changes", () => {
    const { rerender } = show();
    for (let count = 1; count <= 9; count++) {
      rerender({ drawing: zones(count) });
      vi.advanceTimersByTime(100);
    }
    expect(stored()).toBeUndefined();
    vi.advanceTimersByTime(300);
    expect(stored()).toBe(9);
  });

  it("is stored at once when the page is left", () => {
    const { rerender } = show();
    rerender({ drawing: zones(2) });
    window.dispatchEvent(new Event("pagehide"));
    expect(stored()).toBe(2);
  });

  it("is stored at once when the editor closes", () => {
    const { rerender, unmount } = show();
    rerender({ drawing: zones(4) });
    unmount();
    expect(stored()).toBe(4);
  });

  it("is deleted once there is none", () => {
    const { rerender } = show();
    vi.advanceTimersByTime(300);
    expect(stored()).toBe(0);
    rerender({ drawing: null });
    vi.advanceTimersByTime(300);
    expect(stored()).toBeUndefined();
  });
});
