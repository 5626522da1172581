// @vitest-environment happy-dom
import { cleanup, render, screen, waitFor } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { useReducer } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { LayoutSlot } from "../../shared/events";
import { drawingOf } from "./drawing";
import { newEditor, reduce } from "./editor";
import { listed } from "./versions";
import { VersionsPanel } from "./versions-panel";

function slot(slot_id: string, x: number): LayoutSlot {
  return {
    slot_id,
    zone_id: "A",
    polygon: [
      [x, 0.1],
      [x + 0.1, 0.1],
      [x + 0.1, 0.3],
    ],
  };
}

const MINE = [slot("A01", 0.1), slot("A02", 0.3), slot("A03", 0.5)];
const STORED = [slot("A01", 0.1), slot("A02", 0.4), slot("A04", 0.7)];
const VERSIONS = [
  { version: 2, time_ms: 2, slots: 3, removed: false },
  { version: 1, time_ms: 1, slots: 1, removed: false },
];
let answers: Record<string, () => Response>;

function Page() {
  const [editor, dispatch] = useReducer(reduce, newEditor(drawingOf({ slots: MINE, zones: [] })));
  const { now } = editor.history;
  return (
    <>
      <VersionsPanel cameraId="demo/north" drawing={now} published={null} dispatch={dispatch} />
      <output>{now.slots.map((one) => one.slot_id).join()}</output>
      <button
        type="button"
        onClick={() => {
          dispatch({ type: "undo" });
        }}
      >
        Undo
      </button>
    </>
  );
}

beforeEach(() => {
  const path = "/api/cameras/demo/north/layout/versions";
  answers = {
    [path]: () => Response.json(VERSIONS),
    [`${path}/2`]: () => Response.json({ slots: STORED, zones: [] }),
    [`${path}/1`]: () => Response.json({ detail: "version 1 is not stored" }, { status: 404 }),
  };
  vi.stubGlobal("fetch", (url: string) =>
    Promise.resolve(answers[url]?.() ?? Response.json({}, { status: 500 })),
  );
  render(<Page />);
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function choose(version: string): Promise<void> {
  await userEvent.click(screen.getByRole("button", { name: "Compare with an earlier version" }));
  await userEvent.selectOptions(await screen.findByLabelText("Version"), version);
}

const drawn = () => document.querySelector("output")?.textContent;

describe("earlier versions", () => {
  it("are compared with the drawing, taken over and undone", async () => {
    await choose("2");
    expect(await screen.findByText("Only in this version: A04.")).toBeTruthy();
    expect(screen.getByText("Only in your drawing: A03.")).toBeTruthy();
    expect(screen.getByText("Different: A02.")).toBeTruthy();
    await userEvent.click(screen.getByRole("button", { name: "Use version 2" }));
    await waitFor(() => {
      expect(drawn()).toBe("A01,A02,A04");
    });
    expect(await screen.findByText("This version has the same spaces as yours.")).toBeTruthy();
    await userEvent.click(screen.getByRole("button", { name: "Undo" }));
    await waitFor(() => {
      expect(drawn()).toBe("A01,A02,A03");
    });
  });

  it("that cannot be read say why", async () => {
    await choose("1");
    expect((await screen.findByRole("alert")).textContent).toBe("version 1 is not stored");
    expect(drawn()).toBe("A01,A02,A03");
  });

  it("may be none", async () => {
    answers["/api/cameras/demo/north/layout/versions"] = () => Response.json([]);
    await userEvent.click(screen.getByRole("button", { name: "Compare with an earlier version" }));
    expect(await screen.findByText("No version has been published yet.")).toBeTruthy();
  });

  it("are named by their first few spaces", () => {
    const names = Array.from({ length: 14 }, (_, n) => `A${n}`);
    expect(listed(names)).toMatch(/^A0, A1, .*A11 and 2 more$/);
    expect(listed(["A1"])).toBe("A1");
  });
});
