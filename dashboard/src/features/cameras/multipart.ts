/** Splits a multipart/x-mixed-replace stream into its JPEGs. Pure. */

export interface Part {
  jpeg: Uint8Array<ArrayBuffer>;
  /** The frame's time from `X-Time-Ms`; null if the server does not send it. */
  timeMs: number | null;
}

const HEADER_END = [13, 10, 13, 10];
const MAX_BYTES = 8_000_000;

/** Push bytes as they arrive. A part without Content-Length is an error, because its end is unknown. */
export class MultipartReader {
  #buffer = new Uint8Array(0);

  push(chunk: Uint8Array): Part[] {
    const joined = new Uint8Array(this.#buffer.length + chunk.length);
    joined.set(this.#buffer);
    joined.set(chunk, this.#buffer.length);
    this.#buffer = joined;
    const parts = [];
    for (let part = this.#next(); part; part = this.#next()) parts.push(part);
    if (this.#buffer.length > MAX_BYTES) throw new Error("a part is too large");
    return parts;
  }

  #next(): Part | null {
    const end = indexOf(this.#buffer, HEADER_END);
    if (end < 0) return null;
    const header = new TextDecoder("latin1").decode(this.#buffer.subarray(0, end));
    const length = Number(field(header, "content-length") ?? Number.NaN);
    if (!Number.isSafeInteger(length)) throw new Error("a part has no Content-Length");
    const start = end + HEADER_END.length;
    if (this.#buffer.length < start + length) return null;
    const jpeg = this.#buffer.slice(start, start + length);
    this.#buffer = this.#buffer.slice(start + length);
    const time = field(header, "x-time-ms");
    return { jpeg, timeMs: time === null ? null : Number(time) };
  }
}

function field(header: string, name: string): string | null {
  return new RegExp(`^${name}:\\s*(.*?)\\s*$`, "im").exec(header)?.[1] ?? null;
}

function indexOf(bytes: Uint8Array, pattern: readonly number[]): number {
  return bytes.findIndex((_, at) => pattern.every((byte, i) => bytes[at + i] === byte));
}
