/** The devices of a lot: commands to manage them, and texts about their state. */
import { getJson, remove, send, type ApiError } from "../../shared/api";
import { withKey } from "../../shared/api-key";
import { say } from "../../shared/language";
import type { DeviceSecret, DeviceView } from "../../shared/views";

/** A signal below this is weak. */
export const WEAK_DBM = -75;

const path = (siteId: string, rest = "") => `/api/sites/${siteId}/devices${rest}`;

/** Passes the list to `show`, or returns the error. */
export function listDevices(
  siteId: string,
  show: (devices: readonly DeviceView[]) => void,
): Promise<ApiError | null> {
  return withKey(async (key) => {
    show(await getJson<readonly DeviceView[]>(path(siteId), { key }));
  });
}

/** Adds a device and passes its configuration, which the server returns only once, to `show`. */
export function addDevice(
  siteId: string,
  device: string,
  show: (secret: DeviceSecret) => void,
): Promise<ApiError | null> {
  return withKey(async (key) => {
    show(await send<DeviceSecret>("POST", path(siteId), { device }, key));
  });
}

/** Gives a device a new password, as above. Its old password stops working. */
export function rotateDevice(
  deviceId: string,
  show: (secret: DeviceSecret) => void,
): Promise<ApiError | null> {
  const [siteId = "", device = ""] = deviceId.split("/");
  return withKey(async (key) => {
    show(await send<DeviceSecret>("POST", path(siteId, `/${device}/rotate`), {}, key));
  });
}

export function revokeDevice(deviceId: string): Promise<ApiError | null> {
  const [siteId = "", device = ""] = deviceId.split("/");
  return withKey((key) => remove(path(siteId, `/${device}`), key));
}

/** What the configuration lacks; "" if it is complete. The firmware trusts a broker only through one
 * certificate authority, which the server may not know. */
export function missingWords(secret: DeviceSecret): string {
  if (!secret.tls || secret.ca) return "";
  return say("device.noCa");
}

/** Gate events and input changes lost because the device was full; "" if there are none. */
export function lossWords(device: DeviceView): string {
  const { gate_events_lost: events, gate_edges_lost: edges } = device;
  return [
    events && say("device.eventsLost", { count: events }),
    edges && say("device.edgesLost", { count: edges }),
  ]
    .filter(Boolean)
    .join(", ");
}

/** Signal strength in words. Values in dBm are negative; closer to 0 is better. */
export function signalWords(rssi_dbm: number | null): string {
  if (rssi_dbm === null) return "";
  const level = rssi_dbm >= -60 ? "good" : rssi_dbm >= WEAK_DBM ? "fair" : "weak";
  return say(`signal.${level}`, { dbm: Math.round(rssi_dbm) });
}
