// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { storeKey } from "../../shared/api-key";
import { fitting, MOST_PIXELS } from "./picture-file";
import { SourcesPage } from "./sources-page";

const original = globalThis.fetch;
const JPEG = new File(["jpeg"], "lot.jpg", { type: "image/jpeg" });
let sent: { url: string; init: RequestInit | undefined }[] = [];

beforeEach(() => {
  sent = [];
  storeKey("pk_test");
  vi.spyOn(URL, "createObjectURL").mockReturnValue("blob:picture");
  vi.spyOn(URL, "revokeObjectURL").mockReturnValue(undefined);
  vi.stubGlobal("createImageBitmap", (file: File) =>
    file.type === "image/jpeg" ? Promise.resolve({ width: 1280, height: 720 }) : Promise.reject(new Error()),
  );
  globalThis.fetch = (url, init) => {
    sent.push({ url: url as string, init });
    return Promise.resolve(new Response(JSON.stringify({ id: "demo/trial/upload/1" }), { status: 202 }));
  };
  render(<SourcesPage siteId="demo" />);
  fireEvent.click(screen.getByRole("radio", { name: "A picture, to try it without a camera" }));
});

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  sessionStorage.clear();
  globalThis.fetch = original;
});

function upload(): void {
  fireEvent.click(screen.getByRole("button", { name: "Upload the picture" }));
}

describe("PictureForm", () => {
  it("sends the file as a JPEG, and says what its age means", async () => {
    expect(screen.getByText(/become unknown after five hours/)).toBeTruthy();
    await userEvent.upload(screen.getByLabelText("Picture"), JPEG);
    expect(screen.getByAltText("The chosen file").getAttribute("src")).toBe("blob:picture");
    upload();
    expect(await screen.findByText(/Waiting for the picture to be processed/)).toBeTruthy();
    const [{ url, init } = { url: "", init: undefined }] = sent;
    expect([init?.method, url]).toEqual(["POST", "/api/cameras/demo/trial/picture"]);
    expect(init?.body).toBe(JPEG);
    expect(new Headers(init?.headers).get("Content-Type")).toBe("image/jpeg");
  });

  it("asks for a picture, and refuses what is none", async () => {
    upload();
    expect((await screen.findByRole("alert")).textContent).toBe("Choose a picture first.");
    await userEvent.upload(screen.getByLabelText("Picture"), new File(["x"], "x.png", { type: "image/png" }));
    upload();
    expect(await screen.findByText(/cannot read this file as a picture/)).toBeTruthy();
    expect(sent).toEqual([]);
  });
});

describe("fitting", () => {
  it("keeps small pictures and the shape of large ones", () => {
    expect(fitting({ width: 1280, height: 720 })).toEqual({ width: 1280, height: 720 });
    const { width, height } = fitting({ width: 4000, height: 3000 });
    expect(width * height).toBeLessThanOrEqual(MOST_PIXELS);
    expect(width / height).toBeCloseTo(4 / 3, 2);
  });
});
