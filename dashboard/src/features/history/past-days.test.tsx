// @vitest-environment happy-dom
import { cleanup, configure, fireEvent, render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { camera, site, slot } from "../../testing";
import { ComparePanel } from "./compare-panel";
import type { Moment } from "./moment";
import { MomentPanel } from "./moment-panel";

configure({ asyncUtilTimeout: 15_000 });
vi.setConfig({ testTimeout: 60_000 });

const HOUR_MS = 3_600_000;
const SPAN = { from_ms: 0, to_ms: 24 * HOUR_MS };
const CHANGE = {
  slot_id: "A1",
  site_id: "demo",
  from_state: "free",
  to_state: "occupied",
  reason: "observed",
};

let asked: URLSearchParams[] = [];

/** A moment as the server answers it: A1 is occupied from 01:00 on. */
function momentAt(at_ms: number): Moment {
  const state = at_ms >= HOUR_MS ? "occupied" : "free";
  const since_ms = at_ms >= HOUR_MS ? HOUR_MS : 0;
  return {
    time_ms: at_ms,
    previous_ms: at_ms > HOUR_MS ? HOUR_MS : null,
    next_ms: at_ms < HOUR_MS ? HOUR_MS : null,
    slots: [{ slot_id: "A1", zone_id: "A", kind: "standard", state, since_ms, reason: "observed" }],
    pictures: [{ camera_id: "demo/north", time_ms: since_ms, url: `/api/v1/at/${since_ms}.jpg` }],
  };
}

beforeEach(() => {
  asked = [];
  vi.stubGlobal("fetch", (url: string) => {
    const query = new URL(url, "http://localhost").searchParams;
    asked.push(query);
    if (url.includes("/moment")) return Promise.resolve(Response.json(momentAt(Number(query.get("at_ms")))));
    const day_ms = Number(query.get("from_ms"));
    return Promise.resolve(
      Response.json([{ ...CHANGE, version: 1, time_ms: day_ms + (day_ms === 0 ? 1_000 : 61_000) }]),
    );
  });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const PLAN = [
  [0, 0],
  [3, 0],
  [3, 5],
  [0, 5],
] as const;

function openMoment() {
  const drawn = { site: site(slot("A1", { plan: PLAN })), cameras: [camera()] };
  render(<MomentPanel drawn={drawn} span={SPAN} time_zone="UTC" zones={new Map([["A", "Row A"]])} />);
}

it("shows the plan and the pictures of the moment under the slider", async () => {
  openMoment();
  await screen.findByText("1 Jan 23:59:59: 1 occupied");
  fireEvent.change(screen.getByLabelText("Time"), { target: { value: "30" } });
  await screen.findByText("1 Jan 00:30:00: 1 free");
  expect(screen.getByRole("button", { name: "A1: free" })).toBeTruthy();
  expect(screen.getByRole("img", { name: "North, taken 1 Jan 00:00:00" }).getAttribute("src")).toBe(
    "/api/v1/at/0.jpg",
  );
  expect(screen.getByLabelText("Time").getAttribute("aria-valuetext")).toBe("00:30:00");
});

it("goes from change to change, and not beyond the last", async () => {
  openMoment();
  await screen.findByText("1 Jan 23:59:59: 1 occupied");
  await userEvent.click(screen.getByRole("button", { name: "Previous change" }));
  await screen.findByText("1 Jan 01:00:00: 1 occupied");
  const count = asked.length;
  await userEvent.click(screen.getByRole("button", { name: "Next change" }));
  expect(screen.getByRole("button", { name: "Next change" }).getAttribute("aria-disabled")).toBe("true");
  expect(asked).toHaveLength(count);
});

it("lists the states of the moment as a table, too", async () => {
  openMoment();
  await screen.findByText("1 Jan 23:59:59: 1 occupied");
  await userEvent.click(screen.getByRole("button", { name: "Table" }));
  expect(
    screen.getByRole("row", { name: "A1 Row A occupied 1970-01-01 01:00:00 Seen by a camera" }),
  ).toBeTruthy();
});

it("compares two days of the lot, and shows the changes of a space", async () => {
  render(<ComparePanel siteId="demo" time_zone="UTC" days={{ from: "1970-01-01", to: "1970-01-02" }} />);
  await userEvent.click(screen.getByRole("button", { name: "Compare" }));
  await screen.findByText(/0 at the same time, 1 at another time, 0 only in A, 0 only in B/);
  expect(asked.map((query) => query.get("from_ms"))).toEqual(["0", String(24 * HOUR_MS)]);
  await userEvent.click(screen.getByRole("button", { name: "Show the changes of A1" }));
  const table = within(screen.getByRole("region", { name: "Changes of A1, table" }));
  table.getByRole("row", {
    name: "A1 free occupied 1970-01-01 00:00:01 1970-01-02 00:01:01 60 at another time",
  });
  await userEvent.selectOptions(screen.getByLabelText("Same time within"), "1 min");
  await screen.findByText(/1 at the same time, 0 at another time/);
  expect(screen.getByText("Both recordings have the same changes.")).toBeTruthy();
});

it("compares the files of two replays, and says what is wrong with one", async () => {
  render(<ComparePanel siteId="demo" time_zone="UTC" days={{ from: "1970-01-01", to: "1970-01-01" }} />);
  for (const side of ["A", "B"]) {
    await userEvent.selectOptions(screen.getByLabelText(`Recording ${side}`), "A replay’s file");
  }
  await userEvent.click(screen.getByRole("button", { name: "Compare" }));
  expect((await screen.findByRole("alert")).textContent).toContain("Choose the file slot-changes.jsonl");
  for (const [side, time_ms] of [
    ["A", 5_000],
    ["B", 40 * HOUR_MS],
  ] as const) {
    const file = new File([JSON.stringify({ ...CHANGE, version: 1, time_ms })], `${side}.jsonl`);
    await userEvent.upload(screen.getByLabelText(new RegExp(`^File ${side}`)), file);
  }
  await userEvent.click(screen.getByRole("button", { name: "Compare" }));
  await screen.findByText(/0 at the same time, 0 at another time, 1 only in A, 1 only in B/);
  expect(asked).toEqual([]);
});
