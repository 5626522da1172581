import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { accept, findProposal, type Proposal } from "./moved-commands";

const LAYOUT = { camera_id: "demo/north", version: 3, slots: [], reference: "abc=" };
const PROPOSAL = {
  camera_id: "demo/north",
  version: 3,
  words: "50 px right",
  left_out: [],
  layout: { ...LAYOUT, reference: "new=" },
} as unknown as Proposal;
let proposed: Proposal | null = PROPOSAL;
let layout: typeof LAYOUT | null = LAYOUT;
let sent: { url: string; init: RequestInit }[] = [];

/** A server with one camera, moved or not, and one key. */
function server(url: string, init: RequestInit = {}): Promise<Response> {
  sent.push({ url, init });
  const wrongKey =
    init.method === "PUT" && new Headers(init.headers).get("Authorization") !== "Bearer pk_right";
  if (wrongKey) return Promise.resolve(Response.json({ detail: "this key may not write" }, { status: 403 }));
  const missing = Response.json({ detail: "no layout" }, { status: 404 });
  if (!url.endsWith("/proposal")) return Promise.resolve(layout ? Response.json(layout) : missing);
  const none = Response.json({ detail: "the camera looks where it did" }, { status: 404 });
  return Promise.resolve(proposed ? Response.json(proposed) : none);
}

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal("fetch", server);
  vi.stubGlobal("sessionStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
    removeItem: (name: string) => kept.delete(name),
  });
  sent = [];
  proposed = PROPOSAL;
  layout = LAYOUT;
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("a moved camera", () => {
  it("shows the proposal beside the layout in force, and writes nothing", async () => {
    const found = await findProposal("demo/north", new AbortController().signal);
    expect(found).toEqual({ now: LAYOUT, proposal: PROPOSAL });
    expect(sent.some(({ init }) => init.method === "PUT")).toBe(false);
  });

  it("returns why nothing is proposed", async () => {
    proposed = null;
    const found = await findProposal("demo/north", new AbortController().signal);
    expect(found).toBe("the camera looks where it did");
  });

  it("publishes exactly what was proposed", async () => {
    sessionStorage.setItem("api-key", "pk_right");
    expect(await accept(PROPOSAL)).toBeNull();
    expect(sent[0]?.url).toBe("/api/cameras/demo/north/layout");
    expect(JSON.parse(sent[0]?.init.body as string)).toEqual(PROPOSAL.layout);
  });

  it("replaces only the version for which the outlines were proposed", async () => {
    await accept({ ...PROPOSAL, version: 7 });
    expect(new Headers(sent[0]?.init.headers).get("If-Match")).toBe('"7"');
  });

  it("has no proposal if its layout was removed meanwhile", async () => {
    layout = null;
    expect(await findProposal("demo/north", new AbortController().signal)).toBe("its layout was removed");
  });

  it("returns why it was refused", async () => {
    sessionStorage.setItem("api-key", "pk_wrong");
    expect((await accept(PROPOSAL))?.message).toBe("this key may not write");
    expect(sessionStorage.getItem("api-key")).toBeNull();
  });
});
