// @vitest-environment happy-dom
import { cleanup, configure, render, screen, waitFor, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { site, slot } from "../../testing";
import { SiteHistory } from "./history-page";
import type { Occupancy, PastChange, Usage } from "./requests";

// The whole page is rendered: a busy computer takes its time.
configure({ asyncUtilTimeout: 15_000 });
vi.setConfig({ testTimeout: 60_000 });

const HOUR_MS = 3_600_000;
const STAYS = { count: 4, p50_ms: 600_000, p90_ms: HOUR_MS };
const SPAN = { time_zone: "Asia/Jakarta", from_ms: 0, to_ms: 24 * HOUR_MS };
const OCCUPANCY: Occupancy = {
  ...SPAN,
  bucket_ms: 12 * HOUR_MS,
  starts_ms: [0, 12 * HOUR_MS],
  series: [{ zone_id: "A", kind: "ev", free: [1, 0.5], occupied: [1, 1.5], unknown: [0, 0], closed: [0, 0] }],
};
const TIMES = { free_ms: HOUR_MS, occupied_ms: 3 * HOUR_MS, unknown_ms: 0, closed_ms: 0 };
const USAGE: Usage = {
  ...SPAN,
  stays: STAYS,
  zones: [{ zone_id: "A", slots: 1, stays: STAYS }],
  slots: [{ slot_id: "A1", zone_id: "A", kind: "ev", ...TIMES, stays: STAYS }],
  hours: [{ weekday: 3, hour: 7, occupied_share: 0.75 }],
};
const CHANGE: PastChange = {
  id: "demo/A1/1",
  slot_id: "A1",
  zone_id: "A",
  time_ms: HOUR_MS,
  from_state: "free",
  to_state: "occupied",
  version: 1,
  dwell_ms: 60_000,
  reason: "observed",
  cause_kind: "frame",
  camera_id: "demo/north",
};
const NOTHING: Usage = {
  ...USAGE,
  stays: { count: 0, p50_ms: null, p90_ms: null },
  zones: [],
  slots: [],
  hours: [],
};

let asked: string[] = [];
let answers: Record<string, () => Response>;

function server(url: string): Promise<Response> {
  asked.push(url);
  const answer = Object.entries(answers).find(([path]) => url.includes(path));
  return Promise.resolve(answer ? answer[1]() : new Response(null, { status: 404 }));
}

beforeEach(() => {
  asked = [];
  answers = {
    "/api/history/occupancy": () => Response.json(OCCUPANCY),
    "/api/history/usage": () => Response.json(USAGE),
    "/api/history/moment": () =>
      Response.json({ time_ms: 0, previous_ms: null, next_ms: null, slots: [], pictures: [] }),
    "cursor=older": () => Response.json([{ ...CHANGE, id: "demo/A1/0", time_ms: 0 }]),
    "/api/history/changes": () =>
      Response.json([CHANGE], { headers: { Link: '</api/history/changes?cursor=older>; rel="next"' } }),
  };
  vi.stubGlobal("fetch", server);
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  window.location.hash = "";
});

function open(query = "") {
  return render(<SiteHistory site={site(slot("A1"))} query={query} />);
}

function panel(name: string) {
  return within(screen.getByRole("heading", { name }).closest("section") ?? document.body);
}

describe("SiteHistory", () => {
  it("asks for the range in the address and says which time is shown, in the site's time zone", async () => {
    open("from=1970-01-01&to=1970-01-02");
    await screen.findByText("1 Jan 07:00 to 2 Jan 07:00, time zone Asia/Jakarta");
    expect(asked[0]).toMatch(
      "/api/history/occupancy?site=demo&from_day=1970-01-01&to_day=1970-01-02&time_zone=",
    );
    await waitFor(() => {
      expect(asked.at(-1)).toContain(`from_ms=0&to_ms=${24 * HOUR_MS - 1}`);
    });
  });

  it("shows each chart as a table, too", async () => {
    open();
    await screen.findByRole("heading", { name: "Occupancy" });
    await userEvent.click(panel("Occupancy").getByRole("button", { name: "Table" }));
    expect(panel("Occupancy").getByRole("row", { name: "1970-01-01 19:00 0.5 1.5" })).toBeTruthy();
    await userEvent.selectOptions(panel("Occupancy").getByLabelText("Show"), "Occupied share by zone");
    expect(panel("Occupancy").getByRole("row", { name: "1970-01-01 19:00 75" })).toBeTruthy();
    expect(panel("Stays in spaces").getByText("nine in ten leave within").nextSibling?.textContent).toBe(
      "1 h 00 min",
    );
    expect(panel("Busy hours").getByText(/Busiest: Thu 07:00, 75 %/)).toBeTruthy();
  });

  it("lists the changes of a space that is chosen in the list of spaces", async () => {
    open();
    await screen.findByRole("heading", { name: "Use of each space" });
    await userEvent.click(panel("Use of each space").getByRole("button", { name: "A1" }));
    expect(document.activeElement).toBe(screen.getByRole("heading", { name: "Changes" }));
    await waitFor(() => {
      expect(asked.at(-1)).toContain("slot=A1");
    });
    await userEvent.selectOptions(panel("Changes").getByLabelText("Caused by"), "an operator");
    await waitFor(() => {
      expect(asked.at(-1)).toContain("slot=A1&cause=command");
    });
  });

  it("shows the pictures before and after a change on demand", async () => {
    answers["/api/history/evidence"] = () =>
      Response.json({
        before: null,
        after: { time_ms: HOUR_MS, url: "/api/v1/history/picture.jpg?x" },
        missing: null,
      });
    open();
    await userEvent.click(await screen.findByRole("button", { name: "Show pictures of A1, 1 Jan 08:00:00" }));
    const picture = await screen.findByAltText("After the change of A1, taken 1 Jan 08:00:00");
    expect(picture.getAttribute("src")).toBe("/api/v1/history/picture.jpg?x");
    expect(screen.getByText("Before: No pictures are stored.")).toBeTruthy();
    await waitFor(() => {
      expect(asked.at(-1)).toBe("/api/history/evidence?change=demo%2FA1%2F1");
    });
  });

  it("appends older changes", async () => {
    open();
    await userEvent.click(await screen.findByRole("button", { name: "Show older changes" }));
    await screen.findByText("2 changes");
    expect(screen.queryByRole("button", { name: "Show older changes" })).toBeNull();
  });

  it("puts a chosen range into the address and refuses days in the wrong order", async () => {
    open();
    await screen.findByRole("heading", { name: "Occupancy" });
    await userEvent.click(screen.getByRole("button", { name: "7 days" }));
    expect(window.location.hash).toBe("#/demo/history?range=7d");
    await userEvent.click(screen.getByRole("button", { name: "Custom" }));
    const last = screen.getByLabelText("Last day");
    await userEvent.clear(last);
    await userEvent.type(last, "1969-12-31");
    await userEvent.click(screen.getByRole("button", { name: "Show" }));
    expect(screen.getByRole("alert").textContent).toBe("The last day is before the first.");
    expect(window.location.hash).toBe("#/demo/history?range=7d");
  });

  it("says why there is no history, and tries again", async () => {
    const { "/api/history/usage": works } = answers;
    answers["/api/history/usage"] = () =>
      Response.json({ detail: "DATABASE_URL is not set" }, { status: 503 });
    open();
    await screen.findByText("DATABASE_URL is not set");
    answers["/api/history/usage"] = works ?? (() => Response.error());
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    await screen.findByRole("heading", { name: "Busy hours" });
  });

  it("says where nothing was recorded", async () => {
    answers["/api/history/occupancy"] = () => Response.json({ ...OCCUPANCY, series: [] });
    answers["/api/history/usage"] = () => Response.json(NOTHING);
    answers["/api/history/changes"] = () => Response.json([]);
    open();
    await screen.findByText("No changes match.");
    expect(screen.getAllByText("Nothing was recorded in this period.")).toHaveLength(5);
    expect(screen.queryByRole("button", { name: /Download/ })).toBeNull();
  });
});
