/** Loads the picture for the editor, and publishes layouts. */
import { getPicture, type ApiError } from "../../shared/api";
import { withKey } from "../../shared/api-key";
import type { LayoutPublished } from "../../shared/events";
import { putLayout } from "../../shared/layout-requests";
import { siteOf } from "../../shared/routes";
import { UPLOADED } from "../../shared/still-pictures";
import { layoutParts, type Drawing } from "./drawing";
import type { Size } from "./outlines";

export interface Picture extends Size {
  /** An object URL, so that the picture stays the same while somebody draws on it. */
  url: string;
  /** The picture itself, if somebody uploaded it. */
  still?: Blob;
  /** Where the server finds this picture again, or null if unknown. */
  offset: number | null;
}

/** The other fields of a camera's first layout, besides its slots. */
export type Terms = Pick<LayoutPublished, "site_name" | "camera_name" | "interval_ms">;

export interface Order {
  cameraId: string;
  /** The layout to replace, or null if the camera has none. */
  before: LayoutPublished | null;
  /** Its version, 0 for none. A different version in force is a conflict. */
  expected: number;
  terms: Terms;
  drawing: Drawing;
  /** Store the newest picture as the reference that reveals a moved camera. */
  reference: boolean;
}

export async function loadPicture(cameraId: string, signal: AbortSignal): Promise<Picture> {
  const { blob, via, offset } = await getPicture(`/api/cameras/${cameraId}/latest.jpg`, signal);
  const url = URL.createObjectURL(blob);
  const image = new Image();
  image.src = url;
  await image.decode();
  const picture = { url, offset, width: image.naturalWidth, height: image.naturalHeight };
  return via === UPLOADED ? { ...picture, still: blob } : picture;
}

/** The layout to send. Fields that the editor does not know keep their previous values. */
function layoutBody({ before, terms, drawing }: Omit<Order, "reference">): object {
  return { ...(before ?? terms), ...layoutParts(drawing) };
}

/** The fields of an exported layout besides its spaces. Without a layout, those of the first one. */
export function exportedFields(
  { cameraId, before, terms }: Pick<Order, "cameraId" | "before" | "terms">,
  time_ms: number,
): object {
  const first = { id: `${cameraId}/layout/1`, site_id: siteOf(cameraId), time_ms, version: 1 };
  return before ?? { ...first, camera_id: cameraId, ...terms };
}

/** Returns the new version, or the error: 412 if somebody else published first. */
export async function publish(order: Order): Promise<number | ApiError> {
  const query = order.reference ? "?reference=last" : "";
  let version = 0;
  const error = await withKey(async (key) => {
    version = await putLayout(order.cameraId, layoutBody(order), order.expected, key, query);
  });
  return error ?? version;
}
