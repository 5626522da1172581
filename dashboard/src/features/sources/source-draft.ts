/** What the form about an IP camera contains. */

export type Kind = "snapshot" | "mjpeg" | "rtsp";

/** How a camera is polled (see CameraSource in schemas/openapi.json). */
export interface Source {
  camera_id: string;
  /** 0: it is in the cameras file of the server, and cannot be changed here. */
  version: number;
  kind: Kind;
  url: string;
  interval_s: number;
  has_login: boolean;
  /** Why it is not polled; null if it is. */
  fault: string | null;
}

export interface NewSource {
  version: number;
  kind: Kind;
  url: string;
  interval_s: number;
  login: { username: string; password: string } | null;
  keep_login: boolean;
}

/** A camera that answered a search (see FoundCamera in schemas/openapi.json). */
export interface FoundCamera {
  address: string;
  model: string;
  /** Where it is asked for its streams. */
  service: string;
}

/** The camera to ask for its streams. */
export interface AskedCamera {
  service: string;
  login: NewSource["login"];
}

/** Numbers are 0 and addresses "" where the camera does not say them. */
export interface StreamProfile {
  name: string;
  codec: string;
  width: number;
  height: number;
  rate: number;
  stream: string;
  snapshot: string;
}

export interface Draft {
  site: string;
  name: string;
  /** The version that it replaces, or 0 for a new camera. */
  version: number;
  kind: Kind;
  url: string;
  interval_s: string;
  /** The stored login stays, whatever the two fields contain. */
  keep: boolean;
  username: string;
  password: string;
}

export const KINDS: readonly Kind[] = ["snapshot", "mjpeg", "rtsp"];

export function newDraft(site: string): Draft {
  return {
    site,
    name: "",
    version: 0,
    kind: "snapshot",
    url: "",
    interval_s: "5",
    keep: false,
    username: "",
    password: "",
  };
}

export function draftOf(source: Source): Draft {
  const [site = "", name = ""] = source.camera_id.split("/");
  const { version, kind, url, interval_s, has_login } = source;
  return { ...newDraft(site), name, version, kind, url, interval_s: String(interval_s), keep: has_login };
}

/** The draft with another address. Its scheme decides between video and pictures. */
export function withUrl(draft: Draft, url: string): Draft {
  const isVideo = /^rtsps?:/i.test(url);
  if (isVideo) return { ...draft, url, kind: "rtsp" };
  return { ...draft, url, kind: draft.kind === "rtsp" && /^https?:/i.test(url) ? "snapshot" : draft.kind };
}

export function cameraIdOf({ site, name }: Draft): string {
  return `${site}/${name}`;
}

/** The login that was typed, or null. */
export function loginOf({ username, password }: Draft): NewSource["login"] {
  return username || password ? { username, password } : null;
}

export function bodyOf(draft: Draft): NewSource {
  const { version, kind, keep } = draft;
  return {
    version,
    kind,
    url: draft.url.trim(),
    interval_s: Number(draft.interval_s),
    login: keep ? null : loginOf(draft),
    keep_login: keep,
  };
}
