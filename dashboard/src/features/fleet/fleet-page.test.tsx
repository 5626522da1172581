// @vitest-environment happy-dom
import { cleanup, render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";

import { camera, NOW_MS } from "../../testing";
import { fleetRows, problemGroups } from "./fleet";
import { FleetTable } from "./fleet-table";
import { Remedies } from "./remedies";

afterEach(cleanup);

const COMMANDS = { onSecret: () => undefined, onChange: () => undefined, onRevoked: () => undefined };
const ROWS = fleetRows(
  [
    camera({ camera_id: "demo/a", name: "North" }),
    camera({
      camera_id: "demo/b",
      name: "South",
      status: "offline",
      reason: "timeout",
      since_ms: NOW_MS - 120_000,
    }),
  ],
  {
    "demo/a": {
      last_frame_at_ms: NOW_MS - 3_000,
      analysed_every_ms: 5_000,
      load_level: 0,
      evidence_at_ms: {},
      version: 1,
    },
  },
  null,
  NOW_MS,
);

function show(change: Partial<Parameters<typeof FleetTable>[0]> = {}) {
  const onOrder = vi.fn();
  render(
    <FleetTable
      rows={ROWS}
      total={2}
      now_ms={NOW_MS}
      withReports={false}
      order={{ column: "state", descending: false }}
      onOrder={onOrder}
      commands={COMMANDS}
      {...change}
    />,
  );
  return onOrder;
}

describe("FleetTable", () => {
  it("shows the broken camera first, with the reason and since when, in a real table", () => {
    show();
    const [, first, second] = within(screen.getByRole("table")).getAllByRole("row");
    expect(first?.textContent).toContain("South");
    expect(first?.textContent).toContain("Offline The camera does not respond in time, for 2 min");
    expect(second?.textContent).toContain("every 5 s, expected every 5 s");
    expect(second?.textContent).toContain("3 s ago");
  });

  it("loads a picture only of a camera that ever sent one, and only when it comes into view", () => {
    show();
    const pictures = screen.getAllByRole("img");
    expect(pictures.map((each) => [each.getAttribute("alt"), each.getAttribute("loading")])).toEqual([
      ["Latest picture of North", "lazy"],
    ]);
  });

  it("says how it is sorted, and asks for the other order", async () => {
    const onOrder = show();
    expect(screen.getByRole("columnheader", { name: /^State/ }).getAttribute("aria-sort")).toBe("ascending");
    expect(screen.getByRole("columnheader", { name: "Name" }).getAttribute("aria-sort")).toBe("none");
    await userEvent.click(screen.getByRole("button", { name: /^State/ }));
    await userEvent.click(screen.getByRole("button", { name: "Name" }));
    expect(onOrder.mock.calls).toEqual([
      [{ column: "state", descending: true }],
      [{ column: "name", descending: false }],
    ]);
  });

  it("shows what devices report only once it is known", () => {
    show();
    expect(screen.queryByRole("columnheader", { name: "Signal" })).toBeNull();
    cleanup();
    show({ withReports: true });
    expect(screen.getByRole("columnheader", { name: "Signal" })).toBeTruthy();
  });

  it("says that nothing matches, and that nothing is there", () => {
    show({ rows: [] });
    expect(screen.getByText("Nothing matches the filter.")).toBeTruthy();
    cleanup();
    show({ rows: [], total: 0 });
    expect(screen.getByText("No cameras or devices yet.")).toBeTruthy();
  });
});

describe("Remedies", () => {
  it("says what to do, for which devices, with a link to the document", () => {
    render(<Remedies groups={problemGroups(ROWS)} />);
    expect(screen.getByText(/Check its power and network/)).toBeTruthy();
    expect(screen.getByText(": South", { exact: false })).toBeTruthy();
    expect(screen.getByRole("link").getAttribute("href")).toBe("/docs/cameras.md");
  });

  it("is not there if everything works", () => {
    const { container } = render(<Remedies groups={[]} />);
    expect(container.textContent).toBe("");
  });
});
