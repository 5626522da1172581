// @vitest-environment happy-dom
import { act, cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeEach, expect, it } from "vitest";

import { speak } from "../shared/language";
import { preferredLanguage } from "../shared/language-choice";
import { Footer } from "./footer";
import { Speaking } from "./speaking";

beforeEach(() => {
  localStorage.clear();
});

afterEach(async () => {
  cleanup();
  await speak("en");
});

it("shows the page in another language, keeps the focus and remembers the choice", async () => {
  render(
    <Speaking>
      <Footer />
    </Speaking>,
  );
  const choice = screen.getByRole("combobox", { name: "Language" });
  expect([...choice.querySelectorAll("option")].map(({ value, lang }) => [value, lang])).toEqual([
    ["en", "en"],
    ["id", "id"],
  ]);
  await userEvent.selectOptions(choice, "id");
  const again = await screen.findByRole("combobox", { name: "Bahasa" });
  expect(document.activeElement).toBe(again);
  expect(document.documentElement.lang).toBe("id");
  expect(preferredLanguage(["en", "id"])).toBe("id");
});

it("keeps the language if another one cannot be loaded", async () => {
  await speak("id");
  await act(async () => {
    await expect(speak("tlh")).rejects.toThrow("there is no language tlh");
  });
  render(<Footer />);
  expect(screen.getByRole("link", { name: "Kode sumber" })).toBeTruthy();
});
