// @vitest-environment happy-dom
import { cleanup, render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { NOW_MS, site, slot, stay } from "../../testing";
import { CountCard } from "./count-card";
import { DriftList, EndedTable } from "./ended-table";
import { InsideTable } from "./inside-table";
import { PlateSearch } from "./plate-search";
import { loadInside } from "./stay-commands";

let requests: [string, unknown][] = [];
let answers: Response[] = [];

beforeEach(() => {
  requests = [];
  answers = [];
  sessionStorage.setItem("api-key", "pk_right");
  vi.stubGlobal("fetch", (url: string, init: RequestInit = {}) => {
    requests.push([
      `${init.method ?? "GET"} ${url}`,
      JSON.parse((init.body as string | undefined) ?? "null"),
    ]);
    return Promise.resolve(answers.shift() ?? Response.json({ id: "x" }));
  });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const occupied = Array.from({ length: 3 }, (_, index) => slot(`A${index}`, { state: "occupied" }));
const LOT = { ...site(slot("B1"), ...occupied), open_sessions: 2, capacity: 4 };

describe("CountCard", () => {
  it("shows the counts and why they differ", () => {
    render(<CountCard site={LOT} />);
    expect(screen.getAllByRole("definition").map((each) => each.textContent)).toEqual(["2", "4", "3"]);
    expect(screen.getByText(/1 more than the gates count. Those vehicles entered before/)).toBeTruthy();
    cleanup();
    render(<CountCard site={{ ...LOT, open_sessions: 3 }} />);
    expect(screen.getByText("Gates and cameras agree.")).toBeTruthy();
  });

  it("recounts only after the effect was shown and confirmed", async () => {
    render(<CountCard site={LOT} />);
    await userEvent.click(screen.getByText("Correct the count"));
    await userEvent.type(screen.getByLabelText(/counted by a person/), "1");
    expect(screen.getByText(/^The oldest stay will end/)).toBeTruthy();
    expect(screen.getByRole("checkbox", { name: "I counted the vehicles" }).hasAttribute("required")).toBe(
      true,
    );
    await userEvent.click(screen.getByRole("checkbox"));
    await userEvent.click(screen.getByRole("button", { name: "Recount" }));
    expect(requests).toEqual([["POST /api/sites/demo/recount", { number_in: 1 }]]);
  });

  it("counts a vehicle that a gate did not see", async () => {
    render(<CountCard site={LOT} />);
    await userEvent.click(screen.getByText("Correct the count"));
    await userEvent.click(screen.getByRole("button", { name: "One left unseen" }));
    expect(requests).toEqual([["POST /api/sessions/exit", { site_id: "demo" }]]);
  });
});

describe("InsideTable", () => {
  it("shows overstays first, and offers a plate only where one was read", async () => {
    const stays = [
      stay("a", { plate_hash: "h" }),
      stay("over", { kind: "overstay", entry_at_ms: NOW_MS - 7_200_000 }),
    ];
    render(<InsideTable stays={stays} now_ms={NOW_MS} />);
    const [, first, second] = within(screen.getByRole("table")).getAllByRole("row");
    expect(first?.textContent).toMatch(/2 h 00 minmainOverstaynot read$/);
    answers = [Response.json({ entry_plate: "BAB1234", exit_plate: null })];
    await userEvent.click(screen.getByRole("button", { name: "Show plate" }));
    expect(requests[0]?.[0]).toBe("GET /api/sites/demo/plates?session=a");
    expect(second?.textContent).toMatch(/InsideBAB1234$/);
  });

  it("shows a large lot in two steps", async () => {
    const stays = Array.from({ length: 250 }, (_, index) => stay(`s${index}`));
    const { container } = render(<InsideTable stays={stays} now_ms={NOW_MS} />);
    expect(container.querySelectorAll("tbody tr")).toHaveLength(200);
    await userEvent.click(screen.getByText("Show all 250"));
    expect(container.querySelectorAll("tbody tr")).toHaveLength(250);
  });
});

describe("what ended", () => {
  it("has its reason, and drift its meaning", () => {
    render(
      <>
        <EndedTable stays={[stay("a", { kind: "corrected", reason: "maximum-stay" })]} now_ms={NOW_MS} />
        <DriftList reports={[stay("b", { reason: "exit-without-entry" })]} now_ms={NOW_MS} />
      </>,
    );
    expect(screen.getByText("Maximum stay reached")).toBeTruthy();
    expect(screen.getByText(/not counted on entry/)).toBeTruthy();
  });

  it("may be nothing", () => {
    render(
      <>
        <InsideTable stays={[]} now_ms={NOW_MS} />
        <EndedTable stays={[]} now_ms={NOW_MS} />
        <DriftList reports={[]} now_ms={NOW_MS} />
      </>,
    );
    expect(screen.getAllByText(/No vehicle|No stay|no drift/)).toHaveLength(3);
  });
});

describe("requests", () => {
  it("read every page of the open stays, each stay once", async () => {
    const link = { Link: '</api/sessions?site=demo&cursor=c>; rel="next"' };
    answers = [
      Response.json([stay("a"), stay("b")], { headers: link }),
      Response.json([stay("b", { kind: "overstay" })]),
    ];
    const found = await loadInside("demo", new AbortController().signal);
    expect(found.map((each) => `${each.session_id} ${each.kind}`)).toEqual(["a opened", "b overstay"]);
    expect(requests[1]?.[0]).toBe("GET /api/sessions?site=demo&cursor=c");
  });

  it("search a plate in the body, so that no log of addresses contains it", async () => {
    render(<PlateSearch siteId="demo" />);
    answers = [Response.json([])];
    await userEvent.type(screen.getByLabelText("Plate"), "B 12");
    await userEvent.click(screen.getByRole("button", { name: "Find" }));
    expect(requests).toEqual([["POST /api/sites/demo/plates/search", { plate: "B 12" }]]);
    expect(screen.getByText(/^No open or recently ended stay/)).toBeTruthy();
  });
});
