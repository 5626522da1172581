// @vitest-environment happy-dom
import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";

import { site, slot } from "../../testing";
import { SiteSummary } from "./site-summary";

afterEach(cleanup);

describe("SiteSummary", () => {
  it("counts the lot and each zone that has spaces", () => {
    render(
      <SiteSummary
        site={site(
          slot("A1"),
          slot("A2", { state: "occupied" }),
          slot("B1", { zone_id: "B" }),
          slot("B2", { zone_id: "B", state: "closed" }),
        )}
      />,
    );
    const whole = within(screen.getByTestId("site-counts"));
    expect(whole.getByRole("heading", { name: "Station Square" })).toBeTruthy();
    expect(whole.getAllByTestId("free").map((each) => each.textContent)).toEqual(["2", "2"]);
    expect(whole.getByTestId("occupied").textContent).toBe("1");
    const zone = within(screen.getByTestId("zone-B"));
    expect(zone.getByTestId("free").textContent).toBe("1");
    expect(zone.getByTestId("closed").textContent).toBe("1");
  });

  it("links to the driver view only if the site is public", () => {
    const { rerender } = render(<SiteSummary site={site(slot("A1"))} />);
    expect(screen.queryByRole("link")).toBeNull();
    rerender(<SiteSummary site={{ ...site(slot("A1")), public: true }} />);
    expect(screen.getByRole("link", { name: "Driver view" }).getAttribute("href")).toBe("/p/demo");
  });

  it("shows no zones if there is only one", () => {
    render(<SiteSummary site={site(slot("A1"))} />);
    expect(screen.queryByRole("list", { name: "Zones" })).toBeNull();
  });

  it("shows no number if every space is unknown", () => {
    render(<SiteSummary site={site(slot("A1", { state: "unknown" }), slot("A2", { state: "unknown" }))} />);
    expect(screen.queryAllByTestId("total")).toEqual([]);
    expect(screen.getByText("?")).toBeTruthy();
  });

  it("says full only if no space can still be free", () => {
    const { rerender } = render(<SiteSummary site={site(slot("A1", { state: "occupied" }))} />);
    expect(screen.getByText(/^full of/)).toBeTruthy();
    rerender(
      <SiteSummary site={site(slot("A1", { state: "occupied" }), slot("A2", { state: "unknown" }))} />,
    );
    expect(screen.queryByText(/^full of/)).toBeNull();
  });
});
