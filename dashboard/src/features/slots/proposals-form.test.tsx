// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { SlotEditor } from "./slot-editor";

const PICTURE = { url: "blob:1", width: 1000, height: 500, offset: null };
const TERMS = { site_name: "Demo", camera_name: "North", interval_ms: 500 };

function proposed(slot_id: string, x: number, frames: number): object {
  const polygon = [
    [x, 0.1],
    [x + 0.1, 0.1],
    [x + 0.1, 0.3],
    [x, 0.3],
  ];
  return { slot_id, zone_id: slot_id.charAt(0), polygon, confidence: 0.8, frames };
}

const FOUND = {
  frames: 12,
  slots: [proposed("A01", 0.1, 9), proposed("A02", 0.2, 0), proposed("B01", 0.5, 12)],
};
let answer: () => Response;
let asked: string[];

beforeEach(() => {
  asked = [];
  answer = () => Response.json(FOUND);
  vi.stubGlobal("fetch", (url: string, init: RequestInit = {}) => {
    asked.push(`${url} ${new Headers(init.headers).get("Authorization") ?? "no key"}`);
    return Promise.resolve(answer());
  });
  sessionStorage.setItem("api-key", "pk_1");
  render(<SlotEditor cameraId="demo/north" layout={null} picture={PICTURE} terms={TERMS} />);
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  localStorage.clear();
  sessionStorage.clear();
});

const button = (name: string) => screen.getByRole("button", { name });
const drawn = () =>
  [...document.querySelectorAll("[data-drawn]")].map((one) => one.getAttribute("data-drawn"));
const dashed = () =>
  [...document.querySelectorAll("[data-proposed]")].map((one) => one.getAttribute("data-proposed"));

async function propose(): Promise<void> {
  await userEvent.click(button("Propose spaces"));
  await screen.findByRole("list", { name: "Proposed spaces" });
}

describe("proposed spaces", () => {
  it("are asked for, drawn on the picture and listed with their evidence", async () => {
    await propose();
    expect(asked).toEqual(["/api/cameras/demo/north/slot-proposals?source=picture Bearer pk_1"]);
    expect(dashed()).toEqual(["A01", "A02", "B01"]);
    const list = within(screen.getByRole("list", { name: "Proposed spaces" }));
    expect(list.getByRole("checkbox", { name: "A01: a vehicle in 9 of 12 pictures" })).toBeTruthy();
    expect(list.getByRole("checkbox", { name: "A02: a gap in a row" })).toBeTruthy();
    expect(await screen.findByText("3 spaces proposed from 12 pictures.")).toBeTruthy();
    expect(drawn()).toEqual([]);
  });

  it("are selected by keyboard, accepted, and open again after undo", async () => {
    await propose();
    screen.getByRole("checkbox", { name: /^B01/ }).focus();
    await userEvent.keyboard(" ");
    button("Accept").focus();
    await userEvent.keyboard("{Enter}");
    await waitFor(() => {
      expect(drawn()).toEqual(["B01"]);
    });
    expect(dashed()).toEqual(["A01", "A02"]);
    await userEvent.click(button("Undo"));
    await waitFor(() => {
      expect(dashed()).toEqual(["A01", "A02", "B01"]);
    });
    expect(drawn()).toEqual([]);
  });

  it("are selected on the picture and dismissed", async () => {
    await propose();
    const outline = document.querySelector("[data-proposed=A01]");
    if (outline) fireEvent.pointerDown(outline, { button: 0 });
    await userEvent.click(button("Dismiss"));
    await waitFor(() => {
      expect(dashed()).toEqual(["A02", "B01"]);
    });
    await userEvent.click(button("Accept all"));
    await waitFor(() => {
      expect(drawn()).toEqual(["A02", "B01"]);
    });
    expect(await screen.findByText("All proposed spaces are drawn or dismissed.")).toBeTruthy();
  });

  it("are not accepted while none is selected", async () => {
    await propose();
    expect(button("Accept").getAttribute("aria-disabled")).toBe("true");
    await userEvent.click(button("Accept"));
    expect(drawn()).toEqual([]);
  });

  it("of the last day are asked for by their own name", async () => {
    await userEvent.click(screen.getByRole("radio", { name: "the last 24 hours" }));
    await propose();
    expect(asked).toEqual(["/api/cameras/demo/north/slot-proposals?source=day Bearer pk_1"]);
  });

  it("may be none", async () => {
    answer = () => Response.json({ frames: 1, slots: [] });
    await userEvent.click(button("Propose spaces"));
    expect(await screen.findByText(/^No vehicle was seen in the newest picture/)).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Accept all" })).toBeNull();
  });

  it("say why they cannot be had", async () => {
    answer = () => Response.json({ error: "no-history", detail: "Postgres is away" }, { status: 503 });
    await userEvent.click(button("Propose spaces"));
    expect((await screen.findByRole("alert")).textContent).toContain("Postgres is away");
  });
});
