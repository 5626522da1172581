// @vitest-environment happy-dom
import { act, cleanup, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { storeKey } from "../../shared/api-key";
import type { LayoutPublished } from "../../shared/events";
import { storeDraft } from "./draft";
import { drawingOf, patchSlots } from "./drawing";
import { useEditing } from "./use-editing";

const CAMERA = "demo/north";
const TERMS = { site_name: "Demo", camera_name: "North", interval_ms: 500 };

function layoutOf(version: number, ...names: string[]): LayoutPublished {
  const polygon: [number, number][] = [
    [0, 0],
    [0.1, 0],
    [0.1, 0.1],
  ];
  const slots = names.map((slot_id, i) => ({
    slot_id,
    zone_id: "A",
    polygon: polygon.map(([x, y]): [number, number] => [x + i / 10, y]),
  }));
  const zones = [{ zone_id: "A", name: "Row A" }];
  const id = `${CAMERA}/layout/${version}`;
  return { ...TERMS, id, site_id: "demo", camera_id: CAMERA, time_ms: 0, version, zones, slots };
}

/** A server with one camera. */
class Server {
  layout = layoutOf(1, "A01", "A02");
  /** Refuses writes with these faults. */
  faults: string[] = [];
  readable = true;
  written: LayoutPublished[] = [];
  /** Runs after each write. */
  afterWrite = (): void => undefined;

  readonly fetch = (url: string, init: RequestInit = {}): Promise<Response> =>
    Promise.resolve(init.method === "PUT" ? this.#put(url, init) : this.#get());

  #get(): Response {
    return this.readable
      ? Response.json(this.layout)
      : Response.json({ detail: "no state" }, { status: 503 });
  }

  #put(url: string, init: RequestInit): Response {
    const expected = new Headers(init.headers).get("If-Match");
    if (expected !== `"${this.layout.version}"`) return Response.json({ detail: "changed" }, { status: 412 });
    if (this.faults.length) return Response.json({ detail: "bad", faults: this.faults }, { status: 422 });
    const body = JSON.parse(init.body as string) as LayoutPublished;
    this.written.push(body);
    const version = this.layout.version + 1;
    this.layout = { ...body, version, ...(url.endsWith("?reference=last") && { reference: "new=" }) };
    this.afterWrite();
    return Response.json({ version });
  }
}

let server = new Server();

beforeEach(() => {
  server = new Server();
  vi.stubGlobal("fetch", server.fetch);
  storeKey("pk_right");
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  sessionStorage.clear();
  localStorage.clear();
});

function edit() {
  const { result } = renderHook(() => useEditing(CAMERA, server.layout, TERMS));
  return {
    get now() {
      return result.current;
    },
    rename: (key: number, slot_id: string) => {
      act(() => {
        result.current.dispatch({ type: "select", key, extend: false });
        result.current.dispatch({ type: "patch", patch: { slot_id } });
      });
    },
    do: (type: "undo" | "delete") => {
      act(() => {
        result.current.dispatch({ type });
      });
    },
    send: (reference = false) => act(() => result.current.send(reference)),
    settle: (answer: "keep" | "take") => {
      act(() => {
        result.current.settle(answer);
      });
    },
  };
}

describe("publishing", () => {
  it("shows the server's faults only at the drawing that was sent", async () => {
    const editing = edit();
    editing.rename(0, "B01");
    server.faults = ["slots[0].polygon: almost no area"];
    await editing.send();
    expect([...editing.now.faults.keys()]).toEqual([0]);
    editing.do("delete");
    expect([...editing.now.faults.keys()]).toEqual([]);
    editing.do("undo");
    expect([...editing.now.faults.keys()]).toEqual([0]);
    server.faults = [];
    await editing.send();
    expect([...editing.now.faults.keys()]).toEqual([]);
  });

  it("keeps the reference that the server stored with the previous version", async () => {
    const editing = edit();
    editing.rename(0, "B01");
    expect(await editing.send(true)).toBeNull();
    expect([editing.now.published, editing.now.unpublished]).toEqual([2, false]);
    editing.rename(0, "C01");
    expect(await editing.send(false)).toBeNull();
    expect(server.written[1]).toMatchObject({ reference: "new=", slots: [{ slot_id: "C01" }, {}] });
    expect(editing.now.published).toBe(3);
  });

  it("meets a conflict if another version follows at once", async () => {
    const editing = edit();
    editing.rename(0, "B01");
    server.afterWrite = () => {
      server.layout = layoutOf(3, "Z01");
    };
    expect(await editing.send()).toBeNull();
    expect(editing.now.conflict).toMatchObject({ version: 3, layout: server.layout });
    expect(editing.now.published).toBeNull();
  });

  it("returns why the new version cannot be read, and meets it with the next publication", async () => {
    const editing = edit();
    editing.rename(0, "B01");
    server.readable = false;
    const error = await editing.send();
    expect(error?.message).toBe("Version 2 was published but could not be loaded: no state");
    expect([editing.now.published, editing.now.unpublished]).toEqual([null, true]);
    server.readable = true;
    expect(await editing.send()).toBeNull();
    expect(editing.now.conflict?.version).toBe(2);
  });

  it("returns the error if the other version cannot be read", async () => {
    const editing = edit();
    server.layout = layoutOf(5, "Z01");
    server.readable = false;
    expect((await editing.send())?.message).toBe("no state");
    expect(editing.now.conflict).toBeNull();
  });

  it("does not claim a publication after the other version was taken", async () => {
    const editing = edit();
    editing.rename(0, "B01");
    await editing.send();
    expect(editing.now.published).toBe(2);
    server.layout = layoutOf(3, "Z01");
    editing.rename(0, "C01");
    await editing.send();
    editing.settle("take");
    expect([editing.now.published, editing.now.unpublished]).toEqual([null, false]);
    expect(editing.now.editor.history.now.slots).toMatchObject([{ slot_id: "Z01" }]);
  });
});

it("undoes a restored draft to the published drawing", () => {
  const drawing = patchSlots(drawingOf(server.layout), new Set([0]), { slot_id: "B01" });
  storeDraft(CAMERA, { base: 1, drawing });
  const editing = edit();
  expect(editing.now.editor.message).toBe("Your draft was restored");
  expect(editing.now.editor.history.now).toEqual(drawing);
  expect(editing.now.unpublished).toBe(true);
  editing.do("undo");
  expect(editing.now.editor.history.now).toEqual(drawingOf(server.layout));
  expect(editing.now.unpublished).toBe(false);
});
