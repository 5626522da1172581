// @vitest-environment happy-dom
import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";

import { compareNames, currentLocale, number, speak } from "./language";
import { Rich } from "./rich";

afterEach(async () => {
  cleanup();
  await speak("en");
});

it("writes numbers and sorts names as the language does", async () => {
  expect([number(1234.56, 1), currentLocale()]).toEqual(["1,234.6", "en-GB"]);
  expect(["Zone 10", "Zone 2"].sort(compareNames)).toEqual(["Zone 2", "Zone 10"]);
  await speak("id");
  expect([number(1234.56, 1), currentLocale()]).toEqual(["1.234,6", "id"]);
});

it("places elements where the message has them", async () => {
  const command = <code>make run</code>;
  const shown = () => render(<Rich message="empty.demo" parts={{ command }} />).container.innerHTML;
  expect(shown()).toBe("No camera yet? Start the demo site: <code>make run</code>.");
  await speak("id");
  expect(shown()).toBe("Belum punya kamera? Jalankan lokasi demo: <code>make run</code>.");
});
