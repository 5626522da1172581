// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { LayoutPublished } from "../../shared/events";
import { SlotEditor } from "./slot-editor";

const PICTURE = { url: "blob:1", width: 1000, height: 500, offset: null };
const TERMS = { site_name: "Demo", camera_name: "North", interval_ms: 500 };
/** The picture is shown at half its size, 100 px from the left: its frame is wider. */
const ON_SCREEN = { a: 0.5, d: 0.5, e: 100, f: 0 };

const LAYOUT: LayoutPublished = {
  ...TERMS,
  id: "demo/north/layout/1",
  site_id: "demo",
  camera_id: "demo/north",
  time_ms: 0,
  version: 1,
  zones: [],
  slots: [0.1, 0.6].map((x, i) => ({
    slot_id: `A0${i + 1}`,
    zone_id: "A",
    polygon: [
      [x, 0.1],
      [x + 0.2, 0.1],
      [x + 0.2, 0.3],
    ],
  })),
};

beforeEach(() => {
  vi.spyOn(SVGSVGElement.prototype, "getScreenCTM").mockReturnValue(ON_SCREEN as DOMMatrix);
  vi.spyOn(Element.prototype, "setPointerCapture").mockReturnValue();
  render(<SlotEditor cameraId="demo/north" layout={LAYOUT} picture={PICTURE} terms={TERMS} />);
});

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  localStorage.clear();
});

function drawn(name: string): Element {
  const slot = document.querySelector(`[data-drawn="${name}"]`);
  if (!slot) throw new Error(`no space ${name}`);
  return slot;
}

function points(name: string): string | null | undefined {
  return drawn(name).querySelector("polygon")?.getAttribute("points");
}

function grab(name: string, clientX: number, clientY: number): void {
  fireEvent.pointerDown(drawn(name), { button: 0, clientX, clientY });
}

function move(clientX: number, clientY: number): void {
  // Alt: without snapping.
  fireEvent.pointerMove(screen.getByTestId("slots-canvas"), { clientX, clientY, altKey: true });
}

describe("the slot editor", () => {
  it("keeps a typed name when another space is grabbed and dragged", async () => {
    grab("A01", 200, 50);
    fireEvent.pointerUp(drawn("A01"));
    const name = screen.getByLabelText("Name");
    await userEvent.clear(name);
    await userEvent.type(name, "X1");
    grab("A02", 450, 50);
    expect(drawn("X1")).toBeTruthy();
    move(450, 100);
    expect(points("X1")).toBe("100,50 300,50 300,150");
    expect(points("A02")).toBe("600,150 800,150 800,250");
  });

  it("drags by the pixels of the shown picture", () => {
    grab("A01", 200, 50);
    move(250, 50);
    move(225, 75);
    expect(points("A01")).toBe("150,100 350,100 350,200");
  });

  it("ends a drag that the browser takes over", () => {
    grab("A01", 200, 50);
    move(250, 50);
    fireEvent.pointerCancel(screen.getByTestId("slots-canvas"));
    move(300, 50);
    expect(points("A01")).toBe("200,50 400,50 400,150");
  });

  it("shows the next corner under the pointer, however often it moves before the page renders", () => {
    fireEvent.click(screen.getByRole("button", { name: "Draw a space" }));
    act(() => {
      move(225, 75);
      move(225, 75);
    });
    const cross = document.querySelector(".slots-cross");
    expect(cross?.getAttribute("d")).toBe("M-750 150H1250M250 -350V650");
  });

  it("takes the next key when the corner in focus is gone", () => {
    grab("A01", 200, 50);
    fireEvent.pointerUp(drawn("A01"));
    const corner = screen.getByRole("button", { name: "Corner 1 of A01" });
    corner.focus();
    // Dispatched by hand: fireEvent would render everything before it returns.
    corner.dispatchEvent(new KeyboardEvent("keydown", { key: "a", ctrlKey: true, bubbles: true }));
    expect(document.activeElement).toBe(screen.getByTestId("slots-canvas"));
  });

  it("selects several spaces by keyboard", async () => {
    grab("A01", 200, 50);
    fireEvent.keyDown(drawn("A02"), { key: "Enter" });
    expect(screen.getByRole("heading", { name: "2 spaces" })).toBeTruthy();
    fireEvent.keyDown(drawn("A01"), { key: " " });
    expect(await screen.findByRole("heading", { name: "Space A02" })).toBeTruthy();
  });
});
