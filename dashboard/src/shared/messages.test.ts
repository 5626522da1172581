import { describe, expect, it } from "vitest";

import { chooseLanguage, localeOf, makeWords, nameOf, placeholders, type Message } from "./messages";

const FILES = import.meta.glob<Record<string, Message>>("../*/messages/*.json", {
  eager: true,
  import: "default",
});
const SOURCES = import.meta.glob<string>(["../**/*.{ts,tsx}", "!../**/*.test.*"], {
  eager: true,
  query: "?raw",
  import: "default",
});
const MESSAGES = {
  free: { one: "{count} free space", other: "{count} free spaces" },
  hello: "Hello {name}, {name}!",
};

/** What differs between a translation and the English file, in words. */
function faults(
  language: string,
  english: Record<string, Message>,
  other: Record<string, Message>,
): string[] {
  const found: string[] = [];
  for (const key of Object.keys(english)) if (!(key in other)) found.push(`${key} is missing`);
  for (const [key, message] of Object.entries(other)) {
    const original = english[key];
    if (original === undefined) {
      found.push(`${key} is unknown`);
      continue;
    }
    // A plural form may leave a placeholder out ("the only space"), but the general one names all.
    const named = placeholders(textOf(original));
    const used = textsOf(message).flatMap(placeholders);
    if (placeholders(textOf(message)).join() !== named.join() || used.some((name) => !named.includes(name))) {
      found.push(`${key}: other placeholders than ${named.join()}`);
    }
    if (typeof message !== typeof original) found.push(`${key}: a text and plural forms`);
    if (typeof message === "string") continue;
    const needed = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    const missing = needed.filter((form) => !message[form]?.trim());
    if (missing.length > 0) found.push(`${key}: no form for ${missing.join()}`);
  }
  return found;
}

/** The keys that no source names: as a text, or as a pattern like `state.${state}`. */
function unused(keys: readonly string[], sources: readonly string[]): string[] {
  const text = sources.join("\n");
  const named = new Set([...text.matchAll(/"([\w.-]+)"/g)].map(([, key]) => key));
  const patterns = [...text.matchAll(/`([\w-]+\.(?:[\w.-]|\$\{[^}`]+\})*)`/g)].map(
    ([, pattern = ""]) => new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll(/\$\{[^}]+\}/g, ".+")}$`),
  );
  const matches = (key: string) => patterns.some((pattern) => pattern.test(key));
  return keys.filter((key) => !named.has(key) && !matches(key));
}

const textsOf = (message: Message) => (typeof message === "string" ? [message] : Object.values(message));
const textOf = (message: Message) => (typeof message === "string" ? message : (message.other ?? ""));

describe("the files of messages", () => {
  const languages = Object.keys(FILES).filter((file) => !file.endsWith("/en.json"));

  it("include Indonesian", () => {
    expect(languages).toEqual(["../driver/messages/id.json", "./messages/id.json"]);
  });

  it.each(languages)("%s says all that English says", (file) => {
    const [folder, language = ""] = file.replace(".json", "").split("/messages/");
    const english = FILES[`${folder}/messages/en.json`] ?? {};
    expect(faults(language, english, FILES[file] ?? {})).toEqual([]);
    expect(faults("en", english, english)).toEqual([]);
  });

  // That no source names a missing key is for the types to find.
  it.each(["../driver", "."])("in %s have no message that nothing shows", (folder) => {
    const inDriver = (file: string) => file.startsWith("../driver/");
    const sources = Object.entries(SOURCES).filter(([file]) => inDriver(file) === (folder === "../driver"));
    const keys = Object.keys(FILES[`${folder}/messages/en.json`] ?? {});
    expect(keys.length).toBeGreaterThan(20);
    const texts = sources.map(([, text]) => text);
    expect(unused(keys, texts)).toEqual([]);
    expect(unused([...keys, "never.said"], texts)).toEqual(["never.said"]);
  });

  it("are found in texts and in patterns", () => {
    const sources = ['say("a.b")', "say(`state.${state}`)", "say(`${x}`)", "say(`p.${x}.${y}`)"];
    expect(unused(["a.b", "a.c", "state.free", "states.free", "p.what.a", "p.what"], sources)).toEqual([
      "a.c",
      "states.free",
      "p.what",
    ]);
  });

  it("are checked for missing keys, forms and placeholders", () => {
    expect(faults("id", MESSAGES, { free: { other: "{count} kosong" }, hello: "Halo {name}" })).toEqual([]);
    expect(faults("id", MESSAGES, { free: "{count}", more: "" })).toEqual([
      "hello is missing",
      "free: a text and plural forms",
      "more is unknown",
    ]);
    expect(faults("pl", MESSAGES, { ...MESSAGES, hello: "Cześć {nazwa}" })).toEqual([
      "free: no form for few,many",
      "hello: other placeholders than name",
    ]);
  });
});

describe("words", () => {
  const en = makeWords("en", MESSAGES);

  it("fill placeholders and choose the plural form by the count", () => {
    expect(en.say("hello", { name: "Ayu" })).toBe("Hello Ayu, Ayu!");
    expect(en.say("free", { count: 1 })).toBe("1 free space");
    expect(en.say("free", { count: 1234 })).toBe("1,234 free spaces");
    const id = makeWords("id", { free: { other: "{count} kosong" } });
    expect(id.say("free", { count: 1234 })).toBe("1.234 kosong");
  });

  it("leave a placeholder without a value as it is", () => {
    expect(en.say("hello")).toBe("Hello {name}, {name}!");
  });

  it("say how long ago", () => {
    expect([0, 12_000, 119_000, 3_600_000, 200_000_000].map(en.ago)).toEqual([
      "now",
      "12s ago",
      "1m ago",
      "1h ago",
      "2d ago",
    ]);
    expect(makeWords("id", MESSAGES).ago(12_000)).toContain("12");
  });

  it("give the time in the site's time zone, and the date if it is another day there", () => {
    const noon_ms = Date.UTC(2026, 0, 2, 12);
    const clock = (zone: string | null, now_ms: number) =>
      makeWords("en-GB", MESSAGES, zone).clock(noon_ms, now_ms);
    expect(clock("Asia/Jakarta", noon_ms)).toBe("19:00");
    expect(clock("UTC", noon_ms)).toBe("12:00");
    expect(clock("Asia/Jakarta", noon_ms + 6 * 3_600_000)).toBe("2 Jan 2026, 19:00");
    expect(clock("UTC", noon_ms + 6 * 3_600_000)).toBe("12:00");
    expect(clock("No/Such", noon_ms)).toBe(clock(null, noon_ms));
  });
});

describe("the language", () => {
  it.each([
    [["id-ID", "en"], "id"],
    [["fr", "id"], "id"],
    [["", "fr-FR"], "en"],
    [["en-GB"], "en"],
  ])("of a browser with %j is %s", (wanted, expected) => {
    expect(chooseLanguage(["en", "id"], wanted)).toBe(expected);
  });

  it("is written as in the browser's region", () => {
    expect(localeOf("en", ["id-ID", "en-GB", "en"])).toBe("en-GB");
    expect(localeOf("id", ["en-GB"])).toBe("id");
    expect(localeOf("en", ["en-US@posix"])).toBe("en");
  });

  it("is named in itself", () => {
    expect(nameOf("id")).toContain("Indonesia");
  });
});
