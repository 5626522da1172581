// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { takeReturned } from "./provider";
import { session } from "./session";

const original = globalThis.fetch;
let sent: { url: string; body: unknown }[] = [];

function answerWith(...answers: readonly [body: unknown, status: number][]): void {
  const left = [...answers];
  globalThis.fetch = (url, init) => {
    sent.push({ url: url as string, body: JSON.parse((init?.body as string | undefined) ?? "null") });
    const [body, status] = left.shift() ?? [{}, 500];
    return Promise.resolve(new Response(JSON.stringify(body), { status }));
  };
}

beforeEach(() => {
  sent = [];
});

afterEach(() => {
  globalThis.fetch = original;
  sessionStorage.clear();
  window.history.replaceState(null, "", "/");
  session.set({ phase: "loading" });
});

describe("takeReturned", () => {
  it("takes the answer out of the address, once, and goes back to the place in the page", () => {
    sessionStorage.setItem("place", "#/demo/history");
    window.history.replaceState(null, "", "/?code=c%2F1&state=s&session_state=x");
    expect(takeReturned()).toEqual({ state: "s", code: "c/1", error: "" });
    expect(window.location.href).toMatch(/\/#\/demo\/history$/);
    expect(takeReturned()).toBeNull();
  });

  it("leaves other addresses alone", () => {
    window.history.replaceState(null, "", "/?state=s#/demo");
    expect(takeReturned()).toBeNull();
    expect(window.location.search).toBe("?state=s");
  });
});

describe("session.finish", () => {
  const returned = { state: "s", code: "c", error: "" };
  const out = { required: true, name: null, roles: {}, setup: null, provider: "Work" };

  it("signs in", async () => {
    answerWith([{ name: "ann" }, 200], [{ ...out, name: "ann" }, 200]);
    await session.finish(returned);
    expect(sent[0]).toEqual({ url: "/api/sign-in/oidc/code", body: returned });
    expect(session.getState()).toEqual({ phase: "signed-in", name: "ann", roles: {}, provider: "Work" });
  });

  it("says why not, once", async () => {
    answerWith([{ error: "not-invited", detail: "nobody invited you" }, 403], [out, 200], [out, 200]);
    await session.finish(returned);
    expect(session.getState()).toMatchObject({ phase: "signed-out", fault: "nobody invited you" });
    await session.load();
    expect(session.getState()).not.toHaveProperty("fault");
  });
});
