// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, describe, expect, it } from "vitest";

import { slotChange } from "../../testing";
import { ChangeFeed } from "./change-feed";

afterEach(cleanup);

describe("ChangeFeed", () => {
  it("shows what changed and why, and opens the space", async () => {
    const opened: string[] = [];
    const command = { kind: "command", id: "c" } as const;
    const changes = [
      slotChange({ dwell_ms: 3_600_000 }),
      slotChange({ id: "2", slot_id: "A2", cause: command }),
      slotChange({ id: "3", slot_id: "A3", cause: command, issued_by: "front-desk" }),
    ];
    render(<ChangeFeed changes={changes} onSelect={(slotId) => opened.push(slotId)} />);
    const [first, second, third] = screen.getAllByRole("button");
    expect(first?.textContent).toContain("A1 free →  to occupied");
    expect(first?.textContent).toContain("free, seen by north");
    expect(second?.textContent).toContain("by an operator");
    expect(third?.textContent).toContain("by front-desk");
    if (second) await userEvent.click(second);
    expect(opened).toEqual(["A2"]);
  });

  it("says that nothing changed yet", () => {
    render(<ChangeFeed changes={[]} onSelect={() => undefined} />);
    expect(screen.getByText(/^No changes yet/)).toBeTruthy();
  });
});
