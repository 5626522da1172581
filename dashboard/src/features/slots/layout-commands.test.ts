import { expect, it } from "vitest";

import type { LayoutPublished } from "../../shared/events";
import { EMPTY } from "./drawing";
import { exported } from "./exchange";
import { exportedFields } from "./layout-commands";

const ORDER = {
  cameraId: "demo/north",
  before: null,
  terms: { site_name: "Demo", camera_name: "North", interval_ms: 500 },
};

it("exports all fields of a layout for a camera without one", () => {
  expect(JSON.parse(exported(EMPTY, exportedFields(ORDER, 42)))).toEqual({
    ...ORDER.terms,
    id: "demo/north/layout/1",
    site_id: "demo",
    camera_id: "demo/north",
    time_ms: 42,
    version: 1,
    zones: [],
    slots: [],
  });
});

it("exports the fields of the layout in force", () => {
  const before = { id: "demo/north/layout/7", version: 7 } as LayoutPublished;
  expect(exportedFields({ ...ORDER, before }, 42)).toBe(before);
});
