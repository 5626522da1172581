// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, describe, expect, it } from "vitest";

import { site } from "../testing";
import { EmptyState } from "./empty-state";
import { Header } from "./header";

afterEach(cleanup);

describe("EmptyState", () => {
  it("shows that it loads until it knows that there is no lot", () => {
    const { rerender } = render(<EmptyState loaded={false} />);
    expect(screen.getByText("Loading lots")).toBeTruthy();
    rerender(<EmptyState loaded />);
    expect(screen.getByRole("heading", { name: "No lots yet" })).toBeTruthy();
  });
});

describe("Header", () => {
  const two = [site(), { ...site(), site_id: "harbour", name: "Harbour" }];

  it("offers a choice of lots if there are several", async () => {
    render(<Header sites={two} siteId="demo" page="" />);
    const lots = screen.getByRole("combobox", { name: "Lot" });
    expect([...lots.querySelectorAll("option")].map((each) => each.textContent)).toEqual([
      "Harbour",
      "Station Square",
    ]);
    await userEvent.selectOptions(lots, "harbour");
    expect(window.location.hash).toBe("#/harbour");
  });

  it("offers no choice if there is only one lot", () => {
    render(<Header sites={two.slice(0, 1)} siteId="demo" page="" />);
    expect(screen.queryByRole("combobox")).toBeNull();
  });

  it("keeps the page when the lot changes", async () => {
    render(<Header sites={two} siteId="demo" page="history" />);
    await userEvent.selectOptions(screen.getByRole("combobox", { name: "Lot" }), "harbour");
    expect(window.location.hash).toBe("#/harbour/history");
  });

  it("links the pages of the lot and marks the current one", () => {
    render(<Header sites={two} siteId="demo" page="history" />);
    const live = screen.getByRole("link", { name: "Live" });
    expect([live.getAttribute("href"), live.getAttribute("aria-current")]).toEqual(["#/demo", null]);
    const history = screen.getByRole("link", { name: "History" });
    expect([history.getAttribute("href"), history.getAttribute("aria-current")]).toEqual([
      "#/demo/history",
      "page",
    ]);
    expect(screen.getAllByRole("link", { current: "page" })).toHaveLength(1);
  });

  it("links no page that needs a lot while there is none", () => {
    render(<Header sites={two} siteId="elsewhere" page="" />);
    expect(screen.queryByRole("link", { name: "History" })).toBeNull();
  });
});
