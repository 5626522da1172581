// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { storeKey } from "../../shared/api-key";
import { SourcesPage } from "./sources-page";

const original = globalThis.fetch;
const SERVICE = "http://192.168.1.30/onvif/device_service";
const FOUND = [{ address: "192.168.1.30", model: "Front door", service: SERVICE }];
const SUB = { name: "sub", codec: "H264", width: 640, height: 360, rate: 10 };
const STREAMS = [{ ...SUB, stream: "rtsp://192.168.1.30/2", snapshot: "http://192.168.1.30/snap" }];
let sent: { url: string; body: unknown }[] = [];
let answers: Response[] = [];

function answer(body: unknown, status = 200): void {
  answers.push(new Response(JSON.stringify(body), { status }));
}

beforeEach(() => {
  sent = [];
  answers = [];
  storeKey("pk_test");
  globalThis.fetch = (url, init) => {
    sent.push({
      url: url as string,
      body: JSON.parse((init?.body as string | undefined) ?? "null") as unknown,
    });
    return Promise.resolve(answers.shift() ?? new Response("{}", { status: 500 }));
  };
});

afterEach(() => {
  cleanup();
  sessionStorage.clear();
  globalThis.fetch = original;
});

function press(name: string): void {
  fireEvent.click(screen.getByRole("button", { name }));
}

function fill(label: string, value: string): void {
  fireEvent.change(screen.getByLabelText(label), { target: { value } });
}

describe("FindCameras", () => {
  it("lists what answers, asks it with the login, and fills the form", async () => {
    render(<SourcesPage siteId="demo" />);
    answer(FOUND);
    press("Find cameras");
    expect(await screen.findByText("1 camera answered.")).toBeTruthy();
    answer({ error: "password-needed", detail: "the camera requires a login (ONVIF)" }, 422);
    press("Show the streams of 192.168.1.30");
    expect((await screen.findByRole("alert")).textContent).toBe("the camera requires a login (ONVIF)");
    fill("User name, if the camera needs a login", "parking");
    fill("Password", "secret");
    answer(STREAMS);
    press("Show the streams of 192.168.1.30");
    expect(await screen.findByText(/H264, 640 x 360, 10 pictures per second/)).toBeTruthy();
    expect(sent[2]).toEqual({
      url: "/api/sites/demo/sources/profiles",
      body: { service: SERVICE, login: { username: "parking", password: "secret" } },
    });
    press("Use its video: sub");
    expect(screen.getByLabelText<HTMLInputElement>("Address").value).toBe("rtsp://192.168.1.30/2");
    expect(screen.getByLabelText<HTMLSelectElement>("What it sends").value).toBe("rtsp");
    press("Use its single pictures: sub");
    expect(screen.getByLabelText<HTMLInputElement>("Address").value).toBe("http://192.168.1.30/snap");
    expect(screen.getByLabelText<HTMLSelectElement>("What it sends").value).toBe("snapshot");
  });

  it("says what may be wrong when none answers", async () => {
    render(<SourcesPage siteId="demo" />);
    answer([]);
    press("Find cameras");
    expect(await screen.findByText(/No camera answered. Check that ONVIF is enabled/)).toBeTruthy();
  });

  it("needs a lot", async () => {
    render(<SourcesPage siteId="" />);
    press("Find cameras");
    expect((await screen.findByRole("alert")).textContent).toContain("Enter the lot first");
    expect(sent).toEqual([]);
  });
});
