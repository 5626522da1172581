/** Takes a multipart/x-mixed-replace stream of JPEGs apart: pure. */

export interface Part {
  jpeg: Uint8Array<ArrayBuffer>;
  /** The frame's own time from `X-Time-Ms`; null where the server does not tell it. */
  timeMs: number | null;
}

const HEADER_END = [13, 10, 13, 10];
const MAX_BYTES = 8_000_000;

/** Feed it what arrives. Parts without Content-Length are a fault: there is no sure end to them. */
export class MultipartReader {
  #held = new Uint8Array(0);

  push(chunk: Uint8Array): Part[] {
    const joined = new Uint8Array(this.#held.length + chunk.length);
    joined.set(this.#held);
    joined.set(chunk, this.#held.length);
    this.#held = joined;
    const parts = [];
    for (let part = this.#next(); part; part = this.#next()) parts.push(part);
    if (this.#held.length > MAX_BYTES) throw new Error("a part is too large");
    return parts;
  }

  #next(): Part | null {
    const end = indexOf(this.#held, HEADER_END);
    if (end < 0) return null;
    const header = new TextDecoder("latin1").decode(this.#held.subarray(0, end));
    const length = Number(field(header, "content-length") ?? Number.NaN);
    if (!Number.isSafeInteger(length)) throw new Error("a part has no Content-Length");
    const start = end + HEADER_END.length;
    if (this.#held.length < start + length) return null;
    const jpeg = this.#held.slice(start, start + length);
    this.#held = this.#held.slice(start + length);
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
