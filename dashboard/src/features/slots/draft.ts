/** Unpublished drawings, stored in the browser. */
import { isDrawing, isObject, type Drawing } from "./drawing";

export interface Draft {
  /** The version of the layout that it is based on, or 0 for none. */
  base: number;
  drawing: Drawing;
}

const place = (cameraId: string) => `slots-draft:${cameraId}`;

/** Returns null if there is no usable draft. */
export function storedDraft(cameraId: string): Draft | null {
  try {
    return readDraft(localStorage.getItem(place(cameraId)) ?? "");
  } catch {
    return null; // the browser denies access to its storage
  }
}

/** Returns false if the browser has no space for it or denies access to its storage. */
export function storeDraft(cameraId: string, draft: Draft | null): boolean {
  try {
    if (draft) localStorage.setItem(place(cameraId), JSON.stringify(draft));
    else localStorage.removeItem(place(cameraId));
    return true;
  } catch {
    return false;
  }
}

export function readDraft(text: string): Draft | null {
  try {
    const draft: unknown = JSON.parse(text);
    return isDraft(draft) ? draft : null;
  } catch {
    return null;
  }
}

function isDraft(value: unknown): value is Draft {
  return isObject(value) && Number.isInteger(value.base) && isDrawing(value.drawing);
}
