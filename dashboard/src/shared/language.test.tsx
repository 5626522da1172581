// @vitest-environment happy-dom
import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";

import { errorWords } from "./api-errors";
import { ago, duration, listed, pace } from "./format";
import { compareNames, currentLocale, number, say, speak } from "./language";
import { Rich } from "./rich";
import { reasonWords } from "./slot-words";

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

it("puts times, lists, reasons and counts into words", async () => {
  const words = () => [
    duration(3_900_000),
    ago(12_000),
    pace(2_500),
    listed(["A1", "A2", "A3"]),
    reasonWords("timeout"),
    say("use.stays", { count: 1 }),
  ];
  expect(words()).toEqual([
    "1 h 05 min",
    "12 s ago",
    "2.5 s",
    "A1, A2 and A3",
    "The camera does not respond in time",
    "1 stay",
  ]);
  await speak("id");
  expect(words()).toEqual([
    "1 jam 05 mnt",
    "12 dtk lalu",
    "2,5 dtk",
    "A1, A2 dan A3",
    "Kamera tidak menjawab tepat waktu",
    "1 kunjungan",
  ]);
});

it("translates the server's known errors; in English the server says more itself", async () => {
  const detail = "too many tries: wait 40 s";
  expect(errorWords("too-many-tries", detail)).toBe(detail);
  await speak("id");
  expect(errorWords("too-many-tries", detail)).toContain("Terlalu banyak percobaan");
  expect(errorWords("new-code", detail)).toBe(detail);
});

it("shows the language chosen last, in whatever order the files arrive", async () => {
  const first = speak("id");
  const last = speak("en");
  expect(await Promise.all([first, last])).toEqual([false, true]);
  expect(currentLocale()).toBe("en-GB");
});
