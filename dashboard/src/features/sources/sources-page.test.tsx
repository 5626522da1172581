// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { storeKey } from "../../shared/api-key";
import { bodyOf, draftOf, newDraft, withUrl, type Source } from "./source-draft";
import { SourcesPage } from "./sources-page";

interface Sent {
  method: string;
  url: string;
  body: unknown;
}

let sent: Sent[] = [];
let answers: Response[] = [];
const original = globalThis.fetch;

const GATE: Source = {
  camera_id: "demo/gate",
  version: 3,
  kind: "rtsp",
  url: "rtsp://192.168.1.30/stream2",
  interval_s: 10,
  has_login: true,
  fault: null,
};

function answer(body: unknown, status = 200): void {
  answers.push(new Response(status === 204 ? null : JSON.stringify(body), { status }));
}

beforeEach(() => {
  sent = [];
  answers = [];
  storeKey("pk_test");
  vi.spyOn(URL, "createObjectURL").mockReturnValue("blob:picture");
  vi.spyOn(URL, "revokeObjectURL").mockReturnValue(undefined);
  globalThis.fetch = (url, init) => {
    const body = init?.body ? (JSON.parse(init.body as string) as unknown) : null;
    sent.push({ method: init?.method ?? "GET", url: url as string, body });
    return Promise.resolve(answers.shift() ?? new Response("{}", { status: 500 }));
  };
});

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  sessionStorage.clear();
  globalThis.fetch = original;
});

function fill(label: string, value: string): void {
  fireEvent.change(screen.getByLabelText(label), { target: { value } });
}

function press(name: string): void {
  fireEvent.click(screen.getByRole("button", { name }));
}

describe("SourcesPage", () => {
  it("tries a camera, shows its picture, then saves the same", async () => {
    render(<SourcesPage siteId="demo" />);
    fill("Camera name", "gate");
    fill("Address", "http://192.168.1.20/capture");
    fill("User name, if the camera needs a login", "parking");
    fill("Password", "secret");
    answers.push(new Response("jpeg", { status: 200 }));
    press("Try");
    expect((await screen.findByAltText("What demo/gate sees now")).getAttribute("src")).toBe("blob:picture");
    answer({ ...GATE, version: 1 });
    press("Save the camera");
    expect(await screen.findByText(/Waiting for the first picture/)).toBeTruthy();
    const body = {
      version: 0,
      kind: "snapshot",
      url: "http://192.168.1.20/capture",
      interval_s: 5,
      login: { username: "parking", password: "secret" },
      keep_login: false,
    };
    expect(sent).toEqual([
      { method: "POST", url: "/api/cameras/demo/gate/source/try", body },
      { method: "PUT", url: "/api/cameras/demo/gate/source", body },
    ]);
    press("Add another camera");
    expect((await screen.findByLabelText<HTMLInputElement>("Password")).value).toBe("");
  });

  it("says why there is no picture, and takes an old picture away when a field changes", async () => {
    render(<SourcesPage siteId="demo" />);
    fill("Camera name", "gate");
    fill("Address", "http://192.168.1.20/capture");
    answers.push(new Response("jpeg", { status: 200 }));
    press("Try");
    await screen.findByAltText("What demo/gate sees now");
    fill("Address", "http://192.168.1.21/capture");
    await waitFor(() => {
      expect(screen.queryByAltText("What demo/gate sees now")).toBeNull();
    });
    answer({ error: "refused", detail: "nothing listens there" }, 422);
    press("Try");
    expect((await screen.findByRole("alert")).textContent).toBe("nothing listens there");
  });

  it("does not save without an address, and says so", async () => {
    render(<SourcesPage siteId="" />);
    fill("Lot", "station");
    fill("Camera name", "gate");
    press("Save the camera");
    expect((await screen.findByRole("alert")).textContent).toBe("Enter the address of the camera.");
    expect(sent).toEqual([]);
  });

  it("lists, changes with the version and the stored login, and shows a conflict", async () => {
    render(<SourcesPage siteId="demo" />);
    answer([GATE, { ...GATE, camera_id: "demo/filed", version: 0 }]);
    press("Show cameras");
    const [row, filed] = await screen.findAllByRole("listitem");
    expect(row?.textContent).toContain("every 10 s, with a login");
    expect(filed && within(filed).queryByRole("button")).toBeNull();
    press("Change demo/gate");
    fill("Seconds between pictures", "20");
    answer({ error: "source-changed", detail: "version 4 is in force, not 3: load the page again" }, 409);
    press("Save the change");
    expect((await screen.findByRole("alert")).textContent).toContain("version 4 is in force");
    expect(sent[1]?.body).toEqual({
      version: 3,
      kind: "rtsp",
      url: GATE.url,
      interval_s: 20,
      login: null,
      keep_login: true,
    });
  });

  it("removes a camera only after a confirmation, also one that never sent a picture", async () => {
    render(<SourcesPage siteId="demo" />);
    answer([GATE]);
    press("Show cameras");
    await screen.findByText("demo/gate");
    press("Remove demo/gate");
    expect(sent.length).toBe(1);
    answer(null, 204);
    answer({ error: "no-camera", detail: "there is no camera" }, 404);
    answer([]);
    press("Remove demo/gate and its spaces");
    expect(await screen.findByText("No polled cameras yet.")).toBeTruthy();
    expect(sent.slice(1).map(({ method, url }) => `${method} ${url}`)).toEqual([
      "DELETE /api/cameras/demo/gate/source",
      "DELETE /api/cameras/demo/gate",
      "GET /api/sites/demo/sources",
    ]);
  });
});

describe("the draft", () => {
  it("takes the kind from the address", () => {
    const draft = newDraft("demo");
    expect(withUrl(draft, "rtsp://x/1").kind).toBe("rtsp");
    expect(withUrl({ ...draft, kind: "rtsp" }, "http://x/1").kind).toBe("snapshot");
    expect(withUrl({ ...draft, kind: "mjpeg" }, "http://x/1").kind).toBe("mjpeg");
  });

  it("sends a new login only when the stored one is replaced", () => {
    const kept = { ...draftOf(GATE), username: "u", password: "p" };
    expect(bodyOf(kept)).toMatchObject({ login: null, keep_login: true });
    const replaced = { ...kept, keep: false };
    expect(bodyOf(replaced)).toMatchObject({ login: { username: "u", password: "p" }, keep_login: false });
    expect(bodyOf({ ...replaced, username: "", password: "" })).toMatchObject({
      login: null,
      keep_login: false,
    });
  });
});
