import { afterEach, describe, expect, it, vi } from "vitest";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
  vi.resetModules();
});

describe("with VITE_API_URL", () => {
  it("sends every request there, with the cookie of the sign-in", async () => {
    vi.stubEnv("VITE_API_URL", "https://api.parking.example/");
    vi.resetModules();
    const asked: [string, RequestInit][] = [];
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
      asked.push([url, init]);
      return Promise.resolve(new Response("{}"));
    });
    const { fetchApi, getBlob, getJson, post, remove } = await import("./api");
    await getJson("/api/sites");
    await post("/api/sign-in", {}, "");
    await remove("/api/sign-in", "");
    await getBlob("/picture.jpg", new AbortController().signal);
    await fetchApi("/api/stream");
    expect(asked.map(([url]) => new URL(url).origin)).toEqual(asked.map(() => "https://api.parking.example"));
    expect(asked.map(([, init]) => init.credentials)).toEqual(asked.map(() => "include"));
  });
});
