// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";

import { EMPTY } from "../../shared/live-state";
import { stream } from "../../stream";
import { NOW_MS } from "../../testing";
import { ConnectionBanner } from "./connection-banner";
import { ConnectionPill } from "./connection-pill";

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

/** The pill and the banner while these stages stand still. */
function shown(stagesStillSinceMs: Readonly<Record<string, number>>): { pill: string; banner: string } {
  const state = { connection: "live", heardAtMs: NOW_MS, live: { ...EMPTY, stagesStillSinceMs } } as const;
  vi.spyOn(stream, "getState").mockReturnValue(state);
  render(
    <>
      <ConnectionPill />
      <ConnectionBanner />
    </>,
  );
  const [pill, banner] = screen.getAllByRole("status").map((each) => each.textContent);
  return { pill: pill ?? "", banner: banner ?? "" };
}

describe("a service that has stalled", () => {
  it("says that no pictures arrive when it is ingest", () => {
    const { pill, banner } = shown({ ingest: NOW_MS });
    expect(pill).toBe("Not up to date");
    expect(banner).toMatch(/^No new pictures arrive because ingest.* has made no progress since \d/);
  });

  it("leaves the page up to date when it is the persister", () => {
    const { pill, banner } = shown({ persister: NOW_MS });
    expect(pill).toBe("Live");
    expect(banner).toContain("the history is not written");
  });

  it("is not mentioned while all work", () => {
    expect(shown({})).toEqual({ pill: "Live", banner: "" });
  });
});
