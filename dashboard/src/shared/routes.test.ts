import { expect, it } from "vitest";

import { pageAddress, routeOf, siteOf, slotsAddress } from "./routes";

const LIVE = { page: "lot", name: "", query: "" };

it("distinguishes lots from the slot editor of a camera", () => {
  expect(routeOf("")).toEqual({ ...LIVE, siteId: "" });
  expect(routeOf("#/demo")).toEqual({ ...LIVE, siteId: "demo" });
  expect(routeOf(slotsAddress("demo/cam-1"))).toEqual({ page: "slots", cameraId: "demo/cam-1" });
  expect(routeOf("#/cameras")).toEqual({ ...LIVE, siteId: "cameras" });
  expect(routeOf("#/cameras/demo/cam-1/else")).toMatchObject({ page: "lot", siteId: "cameras" });
});

it("reads back the address of each page", () => {
  for (const [siteId, name, query] of [
    ["demo", "", ""],
    ["demo", "history", ""],
    ["demo", "history", "range=7d"],
    ["", "history", ""],
  ] as const) {
    expect(routeOf(pageAddress(siteId, name, query))).toEqual({ page: "lot", siteId, name, query });
  }
});

it("finds the site in a camera's id", () => {
  expect(siteOf("demo/cam-1")).toBe("demo");
});
