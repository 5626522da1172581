import { expect, it } from "vitest";

import { MultipartReader } from "./multipart";

const encode = (text: string) => new TextEncoder().encode(text);
const part = (body: string, more = "") =>
  `--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}\r\n`;
const words = (parts: { jpeg: Uint8Array }[]) => parts.map((each) => new TextDecoder().decode(each.jpeg));

it("returns every complete part with its time, however the bytes are split", () => {
  const bytes = encode(part("one", "X-Time-Ms: 1234\r\n") + part("\r\n\r\ntwo"));
  for (let size = 1; size <= bytes.length; size++) {
    const reader = new MultipartReader();
    const parts = [];
    for (let at = 0; at < bytes.length; at += size) parts.push(...reader.push(bytes.subarray(at, at + size)));
    expect(words(parts)).toEqual(["one", "\r\n\r\ntwo"]);
    expect(parts.map((each) => each.timeMs)).toEqual([1234, null]);
  }
});

it("rejects a part without a length", () => {
  const headless = encode("--frame\r\nContent-Type: image/jpeg\r\n\r\nabc");
  expect(() => new MultipartReader().push(headless)).toThrow("Content-Length");
});
