// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, describe, expect, it } from "vitest";

import { camera, slot } from "../../testing";
import { SlotDetails } from "./slot-details";

afterEach(cleanup);

function show(change: Parameters<typeof slot>[1], vehicle?: string) {
  const closed: string[] = [];
  render(
    <SlotDetails
      slot={slot("A1", change)}
      zoneName="Row A"
      cameras={[camera()]}
      vehicle={vehicle}
      onClose={() => closed.push("closed")}
    />,
  );
  return closed;
}

describe("SlotDetails", () => {
  it("takes the focus and names the space, its state, zone and kind", () => {
    show({ state: "occupied", kind: "ev" });
    expect(document.activeElement?.textContent).toBe("Space A1");
    expect(screen.getByText("occupied", { selector: "strong" })).toBeTruthy();
    expect(screen.getByText("Row A")).toBeTruthy();
    expect(screen.getByText("EV charging space")).toBeTruthy();
  });

  it("says that a space was never seen", () => {
    show({ state: "unknown", changed_at_ms: null, observed_at_ms: null });
    expect(screen.getByText("never seen")).toBeTruthy();
  });

  it("says who closed a space, and why", () => {
    show({ state: "closed", reason: "being painted", issued_by: "front-desk" });
    expect(screen.getByText("Being painted (closed by front-desk)")).toBeTruthy();
  });

  it("says that one vehicle stands over several spaces, and only then", () => {
    show({ state: "occupied" }, "one vehicle across A1 and A2");
    expect(screen.getByText("one vehicle across A1 and A2")).toBeTruthy();
    cleanup();
    show({ state: "occupied" });
    expect(screen.queryByText("Vehicle")).toBeNull();
  });

  it("closes by its button and by Escape, but by no other key", async () => {
    const closed = show({});
    await userEvent.keyboard("x");
    expect(closed).toEqual([]);
    await userEvent.keyboard("{Escape}");
    await userEvent.click(screen.getByRole("button", { name: "Close the details" }));
    expect(closed).toHaveLength(2);
  });
});
