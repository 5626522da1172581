/** The devices of a lot: which there are, how they are, and who may connect. */
import { getJson, remove, send, type ApiError } from "../../shared/api";
import { withKey } from "../../shared/api-key";
import type { DeviceSecret, DeviceView } from "../../shared/views";

const path = (siteId: string, rest = "") => `/api/sites/${siteId}/devices${rest}`;

/** Hands the list on, or returns what went wrong. */
export function listDevices(
  siteId: string,
  show: (devices: readonly DeviceView[]) => void,
): Promise<ApiError | null> {
  return withKey(async (key) => {
    show(await getJson<readonly DeviceView[]>(path(siteId), { key }));
  });
}

/** Hands on what the new device is to be told: it is known this once. */
export function addDevice(
  siteId: string,
  device: string,
  show: (secret: DeviceSecret) => void,
): Promise<ApiError | null> {
  return withKey(async (key) => {
    show(await send<DeviceSecret>("POST", path(siteId), { device }, key));
  });
}

/** The same for a known one, whose password before stops working. */
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

/** How a device is, in a few words. */
export function stateWords(device: DeviceView): string {
  if (!device.may_connect && !device.may_post) return "shut out";
  if (device.state === null) return "nothing heard";
  return device.state;
}

/** What is missing before a device can take it; "" when nothing is. The firmware believes a broker by
 * one certificate authority only, and the server may not know which. */
export function missingWords(secret: DeviceSecret): string {
  if (!secret.tls || secret.ca) return "";
  return "No certificate authority is named (DEVICE_CA_FILE on the server): paste its certificate, PEM, into the device’s own page beside this.";
}

/** Vehicles that nobody counted, for want of room on the device; "" when there is nothing to tell. */
export function lossWords(device: DeviceView): string {
  const { gate_events_lost: events, gate_edges_lost: edges } = device;
  return [events && `${events} lost`, edges && `${edges} input changes missed`].filter(Boolean).join(", ");
}

/** Signal strength as people say it: dBm are negative, and nearer to 0 is better. */
export function signalWords(rssi_dbm: number | null): string {
  if (rssi_dbm === null) return "";
  const words = rssi_dbm >= -60 ? "good" : rssi_dbm >= -75 ? "fair" : "weak";
  return `${words} (${Math.round(rssi_dbm)} dBm)`;
}
