// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, describe, expect, it } from "vitest";

import { camera, site, slot } from "../../testing";
import { SlotTable } from "./slot-table";

afterEach(cleanup);

const LOT = site(slot("A10"), slot("A2", { state: "occupied" }), slot("A1", { state: "unknown" }));

function names() {
  return screen.getAllByRole("rowheader").map((each) => each.textContent);
}

describe("SlotTable", () => {
  it("sorts the spaces in natural order", () => {
    render(<SlotTable site={LOT} cameras={[camera()]} selected={null} onSelect={() => undefined} />);
    expect(names()).toEqual(["A1", "A2", "A10"]);
  });

  it("says why a space is closed, and who closed it", () => {
    const lot = site(slot("A1", { state: "closed", reason: "being painted", issued_by: "ops" }));
    render(<SlotTable site={lot} cameras={[]} selected={null} onSelect={() => undefined} />);
    expect(screen.getByText(": Being painted (closed by ops)")).toBeTruthy();
  });

  it("shows only the spaces in a state, and says if there are none", async () => {
    render(<SlotTable site={LOT} cameras={[camera()]} selected={null} onSelect={() => undefined} />);
    await userEvent.selectOptions(screen.getByRole("combobox"), "occupied");
    expect(names()).toEqual(["A2"]);
    await userEvent.selectOptions(screen.getByRole("combobox"), "closed");
    expect(screen.getByText("No spaces.")).toBeTruthy();
  });

  it("opens a space and marks the open one", async () => {
    const opened: string[] = [];
    render(<SlotTable site={LOT} cameras={[]} selected="A2" onSelect={(slotId) => opened.push(slotId)} />);
    await userEvent.click(screen.getByRole("button", { name: "A10" }));
    expect(opened).toEqual(["A10"]);
    expect(screen.getByRole("row", { name: /^A2/ }).className).toBe("row-selected");
    expect(screen.getByRole("row", { name: /^A10/ }).className).toBe("");
  });

  it("says at both spaces that one vehicle stands over them", () => {
    const occupied = { state: "occupied" } as const;
    const lot = site(
      slot("A1", { ...occupied, straddling: ["A2"] }),
      slot("A2", occupied),
      slot("A3", occupied),
    );
    render(<SlotTable site={lot} cameras={[]} selected={null} onSelect={() => undefined} />);
    expect(screen.getAllByText("(one vehicle across A1 and A2)")).toHaveLength(2);
  });
});
