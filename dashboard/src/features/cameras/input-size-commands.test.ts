import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { choices, inputSize, setInputSize } from "./input-size-commands";

interface Sent {
  url: string;
  init: RequestInit;
}

const LAYOUT = { camera_id: "demo/north", version: 3, slots: [{ slot_id: "A1" }], input_size_px: 960 };
let hasLayout = true;
let sent: Sent[] = [];

/** A server with one camera and one key. */
function server(url: string, init: RequestInit = {}): Promise<Response> {
  sent.push({ url, init });
  const wrongKey =
    init.method === "PUT" && new Headers(init.headers).get("Authorization") !== "Bearer pk_right";
  if (wrongKey) return Promise.resolve(Response.json({ detail: "this key may not write" }, { status: 403 }));
  if (!hasLayout) return Promise.resolve(Response.json({ detail: "no layout" }, { status: 404 }));
  return Promise.resolve(Response.json(url.endsWith("/layout") ? LAYOUT : { input: null }));
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
  hasLayout = true;
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("the size for analysis", () => {
  it.each([[1280], [null]])("publishes the layout again with %s and no other change", async (size_px) => {
    sessionStorage.setItem("api-key", "pk_right");
    expect(await setInputSize("demo/north", size_px)).toBeNull();
    const [read, written] = sent;
    expect(read?.url).toBe("/api/cameras/demo/north/layout");
    expect(written?.init.method).toBe("PUT");
    expect(JSON.parse(written?.init.body as string)).toEqual({ ...LAYOUT, input_size_px: size_px });
  });

  it("replaces only the version that was read", async () => {
    await setInputSize("demo/north", 640);
    expect(new Headers(sent[1]?.init.headers).get("If-Match")).toBe('"3"');
  });

  it("needs a layout", async () => {
    hasLayout = false;
    expect((await setInputSize("demo/north", 640))?.message).toContain("no layout");
    expect(sent).toHaveLength(1);
  });

  it("returns why it was refused, and forgets the key", async () => {
    sessionStorage.setItem("api-key", "pk_wrong");
    const error = await setInputSize("demo/north", 640);
    expect(error?.message).toBe("this key may not write");
    expect(sessionStorage.getItem("api-key")).toBeNull();
  });

  it("is null for a camera without a layout", async () => {
    expect(await inputSize("demo/north", new AbortController().signal)).toBeNull();
  });

  it("offers the current size beside the usual ones", () => {
    expect(choices({ size_px: 704, automatic: false, reason: "" })).toContain(704);
    expect(choices({ size_px: 704, automatic: true, reason: "" })).not.toContain(704);
    expect(choices({ size_px: null, automatic: true, reason: "" })).toContain(640);
  });
});
