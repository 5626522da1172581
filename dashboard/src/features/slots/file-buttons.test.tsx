// @vitest-environment happy-dom
import { cleanup, render, screen, waitFor } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { EMPTY } from "./drawing";
import { FileButtons } from "./file-buttons";

const SLOTS = [{ slot_id: "B7", zone_id: "B", polygon: [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]] }]; // prettier-ignore
const FOUND = {
  picture: "north.jpg",
  pictures: ["north.jpg", "south.jpg"],
  width: 640,
  height: 480,
  slots: SLOTS,
  zones: [{ zone_id: "B", name: "B" }],
  notes: ["line 9, <polyline>: left out"],
};
const FILE = new File(["<annotations/>"], "lot.xml", { type: "text/xml" });
const PATH = "/api/cameras/demo/north/slot-file";

const fetched = vi.fn<typeof fetch>();
const dispatch = vi.fn();

function answer(body: unknown, status = 200): void {
  fetched.mockResolvedValueOnce(new Response(JSON.stringify(body), { status }));
}

beforeEach(() => {
  vi.stubGlobal("fetch", fetched);
  render(
    <FileButtons
      drawing={EMPTY}
      rest={() => ({ camera_name: "North" })}
      cameraId="demo/north"
      size={{ width: 1280, height: 720 }}
      dispatch={dispatch}
    />,
  );
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  fetched.mockReset();
  dispatch.mockReset();
});

async function pick(): Promise<void> {
  await userEvent.upload(screen.getByLabelText("File with spaces"), FILE);
}

describe("import", () => {
  it("sends the file with the size of the picture, and replaces the drawing", async () => {
    answer(FOUND);
    await pick();
    await waitFor(() => {
      expect(dispatch).toHaveBeenCalledOnce();
    });
    const [url, init] = fetched.mock.calls[0] ?? [];
    expect(url).toBe(`${PATH}?width=1280&height=720`);
    expect(init?.body).toBe(FILE);
    expect(dispatch.mock.calls[0]?.[0]).toMatchObject({
      type: "replace",
      message: "1 space imported from north.jpg in lot.xml",
      drawing: { slots: SLOTS },
    });
    const notes = screen.getByRole("status", { name: "Check after the import" });
    expect(notes.textContent).toContain("640x480");
    expect(notes.textContent).toContain("<polyline>: left out");
  });

  it("offers the other pictures of the file", async () => {
    answer(FOUND);
    answer({ ...FOUND, picture: "south.jpg" });
    await pick();
    await userEvent.selectOptions(await screen.findByLabelText("Picture in the file"), "south.jpg");
    await waitFor(() => {
      expect(dispatch).toHaveBeenCalledTimes(2);
    });
    expect(fetched.mock.calls[1]?.[0]).toBe(`${PATH}?width=1280&height=720&picture=south.jpg`);
  });

  it("shows every fault with the file's name, and changes nothing", async () => {
    answer({ error: "bad-slot-file", detail: "a; b", faults: ["line 3: a", "line 5: b"] }, 422);
    await pick();
    expect((await screen.findByRole("alert")).textContent).toBe("lot.xml: line 3: a\nlot.xml: line 5: b");
    expect(dispatch).not.toHaveBeenCalled();
  });
});

describe("export", () => {
  it("saves a layout without the server, and other formats as the server writes them", async () => {
    const saved: string[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
      saved.push(this.download);
    });
    await userEvent.click(screen.getByRole("button", { name: "Export" }));
    expect(saved).toEqual(["demo-north.layout.json"]);
    expect(fetched).not.toHaveBeenCalled();

    fetched.mockResolvedValueOnce(new Response("<annotations/>"));
    await userEvent.selectOptions(screen.getByLabelText("Format"), "cvat");
    await userEvent.click(screen.getByRole("button", { name: "Export" }));
    await waitFor(() => {
      expect(saved).toEqual(["demo-north.layout.json", "demo-north.cvat.xml"]);
    });
    expect(fetched.mock.calls[0]?.[0]).toBe(`${PATH}/cvat?width=1280&height=720`);
    expect(JSON.parse(fetched.mock.calls[0]?.[1]?.body as string)).toEqual({ slots: [], zones: [] });
  });
});
