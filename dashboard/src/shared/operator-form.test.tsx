// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, describe, expect, it } from "vitest";

import { ApiError } from "./api";
import { storedKey, storeKey } from "./api-key";
import { OperatorForm } from "./operator-form";

afterEach(() => {
  cleanup();
  sessionStorage.clear();
});

function show(answers: (ApiError | null)[], waiting = false) {
  const sent: string[] = [];
  const send = () => {
    sent.push(storedKey());
    return Promise.resolve(answers.shift() ?? null);
  };
  render(<OperatorForm className="form" action="Close it" send={send} sent="Closed." waiting={waiting} />);
  return sent;
}

async function press() {
  await userEvent.click(screen.getByRole("button", { name: "Close it" }));
}

describe("OperatorForm", () => {
  it("asks for a key, then sends with it", async () => {
    const sent = show([]);
    await press();
    expect(sent).toEqual([]);
    await userEvent.type(screen.getByLabelText("Key"), " pk_1 ");
    await userEvent.click(screen.getByRole("button", { name: "Use this key" }));
    expect(await screen.findByText("Closed.")).toBeTruthy();
    expect(sent).toEqual(["pk_1"]);
  });

  it("asks again if the key is refused, and shows the reason", async () => {
    storeKey("old");
    show([new ApiError(403, "This key may not write.")]);
    await press();
    expect((await screen.findByRole("alert")).textContent).toBe("This key may not write.");
    expect(screen.getByLabelText("Key")).toBeTruthy();
  });

  it("shows any other error below the button and keeps the key", async () => {
    storeKey("good");
    show([new ApiError(503, "Kafka does not answer.")]);
    await press();
    expect((await screen.findByRole("alert")).textContent).toBe("Kafka does not answer.");
    expect(screen.queryByLabelText("Key")).toBeNull();
  });

  it("shows an error of the page itself and can send again", async () => {
    storeKey("good");
    const failing = () => Promise.reject(new TypeError("x is not a function"));
    render(<OperatorForm className="form" action="Close it" send={failing} sent="Closed." />);
    await press();
    expect((await screen.findByRole("alert")).textContent).toBe("x is not a function");
    expect(screen.getByRole("button", { name: "Close it" }).getAttribute("aria-disabled")).toBe("false");
  });

  it("sends nothing while the previous command is under way", async () => {
    storeKey("good");
    const sent = show([], true);
    await press();
    expect(sent).toEqual([]);
  });
});
