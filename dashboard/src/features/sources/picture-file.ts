/** Turns a picture file into a JPEG of a size that the server accepts (FRAME_MAX_PIXELS, FRAME_MAX_BYTES). */
import { say } from "../../shared/language";

export const MOST_PIXELS = 1_900_000;
const MOST_BYTES = 900_000;
const QUALITIES = [0.9, 0.75, 0.5];

interface Size {
  width: number;
  height: number;
}

/** The largest size of the same shape with at most `MOST_PIXELS`. */
export function fitting({ width, height }: Size): Size {
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
  return { width: Math.floor(width * scale), height: Math.floor(height * scale) };
}

/** Returns the file itself if it is a small JPEG, otherwise a smaller copy. Throws errors with a
 * text for people. */
export async function jpegOf(file: File): Promise<Blob> {
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error(say("upload.unreadable"));
  });
  const size = fitting(picture);
  if (file.type === "image/jpeg" && file.size <= MOST_BYTES && size.width === picture.width) return file;
  const canvas = Object.assign(document.createElement("canvas"), size);
  canvas.getContext("2d")?.drawImage(picture, 0, 0, size.width, size.height);
  for (const quality of QUALITIES) {
    const jpeg = await new Promise<Blob | null>((resolve) => {
      canvas.toBlob(resolve, "image/jpeg", quality);
    });
    if (jpeg && jpeg.size <= MOST_BYTES) return jpeg;
  }
  throw new Error(say("upload.large"));
}
