// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";

import { useHeadingFocus } from "./use-heading-focus";

afterEach(cleanup);

function Frame({ page, loaded = true }: { page: string; loaded?: boolean }) {
  useHeadingFocus(page);
  return (
    <main>
      {loaded && <h1>{page}</h1>}
      <button type="button">Other</button>
    </main>
  );
}

it("leaves the focus alone on the first page", () => {
  render(<Frame page="live" />);
  expect(document.activeElement).toBe(document.body);
});

it("moves the focus to the heading of the next page", () => {
  const { rerender } = render(<Frame page="live" />);
  rerender(<Frame page="history" />);
  expect(document.activeElement).toBe(screen.getByRole("heading", { name: "history" }));
});

it("waits for a page that is still loading", async () => {
  const { rerender } = render(<Frame page="live" />);
  rerender(<Frame page="history" loaded={false} />);
  rerender(<Frame page="history" />);
  await Promise.resolve();
  expect(document.activeElement).toBe(screen.getByRole("heading", { name: "history" }));
});

it("does not take the focus from a user who went on while the page loaded", async () => {
  const { rerender } = render(<Frame page="live" />);
  rerender(<Frame page="history" loaded={false} />);
  screen.getByRole("button").focus();
  rerender(<Frame page="history" />);
  await Promise.resolve();
  expect(document.activeElement).toBe(screen.getByRole("button"));
});
