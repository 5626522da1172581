// @vitest-environment happy-dom
import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";

import { isKeyMissing } from "../shared/api-key";
import { isAdmin, session, sessionOf } from "../shared/session";
import { Entrance } from "./entrance";
import { Navigation } from "./navigation";

const ANN = { required: true, name: "ann", roles: { "*": "admin" as const }, setup: null };

afterEach(() => {
  cleanup();
  window.location.hash = "";
  session.set({ phase: "loading" });
});

describe("Entrance", () => {
  it("shows the form that is due, and nothing of the lots", () => {
    render(<Entrance />);
    expect(screen.queryByRole("heading")).toBeNull();
    const forms = [
      [null, "Sign in"],
      ["code", "Create the administrator"],
      ["command", "Create the administrator"],
    ] as const;
    for (const [setup, title] of forms) {
      act(() => {
        session.set({ phase: "signed-out", setup });
      });
      expect(screen.getByRole("heading", { level: 1 }).textContent).toBe(title);
    }
    expect(screen.getByText("parking accounts add NAME admin")).toBeTruthy();
  });

  it("shows the form of a link in the address", () => {
    window.location.hash = `#/link/${"a".repeat(43)}`;
    session.set({ phase: "signed-out", setup: null });
    render(<Entrance />);
    expect(screen.getByRole("heading", { name: "Choose your password" })).toBeTruthy();
  });
});

describe("the session", () => {
  it("is what the server says", () => {
    expect(sessionOf({ ...ANN, required: false })).toEqual({ phase: "open" });
    expect(sessionOf({ ...ANN, name: null })).toEqual({ phase: "signed-out", setup: null });
    expect(isAdmin(sessionOf(ANN))).toBe(true);
    expect(isAdmin(sessionOf({ ...ANN, roles: { demo: "admin" } }))).toBe(false);
  });

  it("needs no key once somebody signed in", () => {
    session.set({ phase: "open" });
    expect(isKeyMissing()).toBe(true);
    session.set(sessionOf(ANN));
    expect(isKeyMissing()).toBe(false);
  });
});

describe("Navigation", () => {
  it("links accounts and the audit log for administrators only", () => {
    session.set(sessionOf({ ...ANN, roles: { "*": "operator" } }));
    const { rerender } = render(<Navigation siteId="demo" current="" />);
    expect(screen.queryByRole("link", { name: "Accounts" })).toBeNull();
    act(() => {
      session.set(sessionOf(ANN));
    });
    rerender(<Navigation siteId="demo" current="" />);
    expect(screen.getByRole("link", { name: "Accounts" }).getAttribute("href")).toBe("#/demo/accounts");
    expect(screen.getByRole("link", { name: "Audit log" })).toBeTruthy();
    expect(screen.queryByRole("link", { name: "Your account" })).toBeNull();
  });
});
