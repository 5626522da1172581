import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { DeviceSecret, DeviceView } from "../../shared/views";
import { device } from "../../testing";
import {
  addDevice,
  listDevices,
  lossWords,
  missingWords,
  revokeDevice,
  rotateDevice,
  signalWords,
} from "./device-commands";

const DEVICE = device("demo/cam");
let requests: string[] = [];

/** A server that accepts only one key. */
function server(url: string, init: RequestInit = {}): Promise<Response> {
  requests.push(`${init.method ?? "GET"} ${url}`);
  if (new Headers(init.headers).get("Authorization") !== "Bearer pk_right") {
    return Promise.resolve(Response.json({ detail: "use a key of scope `devices`" }, { status: 403 }));
  }
  if (init.method === "DELETE") return Promise.resolve(new Response(null, { status: 204 }));
  return Promise.resolve(Response.json(init.method === "POST" ? { password: "pw" } : [DEVICE]));
}

beforeEach(() => {
  const kept = new Map<string, string>([["api-key", "pk_right"]]);
  vi.stubGlobal("fetch", server);
  vi.stubGlobal("sessionStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
    removeItem: (name: string) => kept.delete(name),
  });
  requests = [];
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("devices", () => {
  it("are listed, added, given a new password and revoked", async () => {
    const shown: (readonly DeviceView[] | DeviceSecret)[] = [];
    expect(await listDevices("demo", (devices) => shown.push(devices))).toBeNull();
    expect(await addDevice("demo", "gate-2", (secret) => shown.push(secret))).toBeNull();
    expect(await rotateDevice("demo/cam", (secret) => shown.push(secret))).toBeNull();
    expect(await revokeDevice("demo/cam")).toBeNull();
    expect(requests).toEqual([
      "GET /api/sites/demo/devices",
      "POST /api/sites/demo/devices",
      "POST /api/sites/demo/devices/cam/rotate",
      "DELETE /api/sites/demo/devices/cam",
    ]);
    expect(shown).toEqual([[DEVICE], { password: "pw" }, { password: "pw" }]);
  });

  it("show nothing with a key that lacks the scope", async () => {
    sessionStorage.setItem("api-key", "pk_wrong");
    const shown: unknown[] = [];
    const error = await listDevices("demo", (devices) => shown.push(devices));
    expect(error?.status).toBe(403);
    expect(shown).toEqual([]);
  });
});

describe("words", () => {
  it("name what a configuration lacks", () => {
    const secret: DeviceSecret = {
      device_id: "demo/cam",
      password: "pw",
      host: "broker",
      port: 8883,
      tls: true,
    };
    expect(missingWords(secret)).toContain("certificate");
    expect(missingWords({ ...secret, ca: "-----BEGIN CERTIFICATE-----" })).toBe("");
    expect(missingWords({ ...secret, tls: false })).toBe("");
  });

  it("name what a gate lost, and nothing if it lost nothing", () => {
    expect(lossWords(DEVICE)).toBe("");
    expect(lossWords({ ...DEVICE, gate_events_lost: 0, gate_edges_lost: 0 })).toBe("");
    expect(lossWords({ ...DEVICE, gate_events_lost: 3, gate_edges_lost: 0 })).toBe("3 lost");
    expect(lossWords({ ...DEVICE, gate_events_lost: 3, gate_edges_lost: 12 })).toBe(
      "3 lost, 12 input changes missed",
    );
  });

  it("describe the signal strength", () => {
    expect([null, -50, -70, -90].map(signalWords)).toEqual([
      "",
      "good (-50 dBm)",
      "fair (-70 dBm)",
      "weak (-90 dBm)",
    ]);
  });
});
