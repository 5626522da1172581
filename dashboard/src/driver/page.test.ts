// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from "vitest";

import html from "../../driver/index.html?raw";
import { makeWords } from "../shared/messages";
import { isNewer } from "./display";
import { keep, kept } from "./keep";
import en from "./messages/en.json";
import { show, showLanguage } from "./page";
import type { State } from "./state";
import { counts, NOW_MS, publicSite } from "./testing";

const VIEW = { words: makeWords("en", en), arrows: new Map([["A", "left" as const]]) };
const ZONE = { ...publicSite(), zone_id: "A", name: "Row A" };
const SITE = publicSite({ zones: [ZONE, { ...ZONE, zone_id: "B", name: "Row B" }] });
const LIVE: State = { site: SITE, offset_ms: 0, link: "live" };

const text = (id: string) => document.getElementById(id)?.textContent;

beforeEach(() => {
  document.body.innerHTML = /<body>(.*)<noscript>/s.exec(html)?.[1] ?? "";
  localStorage.clear();
});

describe("the page", () => {
  it("shows the count, the other kinds and the zones with their arrows", () => {
    show(LIVE, NOW_MS, VIEW);
    expect(text("name")).toBe("Station Square");
    expect(text("count")).toBe("3free of 10");
    expect(text("age")).toBe("Updated 5s ago");
    expect(text("kinds")).toBe("Accessible1free of 2");
    const [first, second] = document.querySelectorAll("#zones li");
    expect(first?.textContent).toBe("←Row A3free of 10Accessible: 1");
    expect(second?.querySelector(".arrow")).toBeNull();
    expect(document.getElementById("directions")?.getAttribute("href")).toBe("https://maps.example/?q=lot");
  });

  it("announces the count politely, and only when it changes", () => {
    show(LIVE, NOW_MS, VIEW);
    const live = document.getElementById("count");
    const written = live?.firstChild;
    expect(live?.getAttribute("aria-live")).toBe("polite");
    show(LIVE, NOW_MS + 3_000, VIEW); // only the age has changed
    expect(live?.firstChild).toBe(written);
    const kinds = [{ kind: "standard" as const, counts: counts({ free: 2, occupied: 8 }) }];
    show({ ...LIVE, site: { ...SITE, kinds } }, NOW_MS + 3_000, VIEW);
    expect(text("count")).toBe("2free of 10");
  });

  it("sorts zones as people count", () => {
    const named = ["Zone 10", "Zone 2"].map((name) => ({ ...ZONE, zone_id: name.replace(" ", ""), name }));
    show({ ...LIVE, site: { ...SITE, zones: named } }, NOW_MS, VIEW);
    const labels = [...document.querySelectorAll("#zones .label")].map((each) => each.textContent);
    expect(labels).toEqual(["Zone 2", "Zone 10"]);
  });

  it("shades old counts, by the server's clock", () => {
    const isOld = () => document.getElementById("count")?.classList.contains("old");
    show(LIVE, NOW_MS, VIEW);
    expect(isOld()).toBe(false);
    show({ ...LIVE, offset_ms: 20_000 }, NOW_MS, VIEW);
    expect(isOld()).toBe(true);
    expect(text("age")).toBe("Old data, updated 25s ago");
  });

  it("shows names as text, never as markup", () => {
    show({ ...LIVE, site: { ...SITE, name: "<img src=x>" } }, NOW_MS, VIEW);
    expect(document.querySelector("img")).toBeNull();
    expect(text("name")).toBe("<img src=x>");
  });

  it("clears everything of a site that is no longer public", () => {
    show(LIVE, NOW_MS, VIEW);
    show({ ...LIVE, site: null, link: "not-public" }, NOW_MS, VIEW);
    expect(text("name")).toBe("Not found");
    expect(text("count")).toBe("");
    expect(text("zones")).toBe("");
    expect(document.getElementById("directions")?.hidden).toBe(true);
    show(LIVE, NOW_MS, VIEW); // public again
    expect(text("count")).toBe("3free of 10");
  });

  it("lets one choose among all languages", () => {
    const chosen = vi.fn();
    showLanguage("en", VIEW.words, chosen);
    const select = document.querySelector("select");
    expect([...(select?.options ?? [])].map(({ value }) => value)).toEqual(["en", "id"]);
    expect(document.documentElement.lang).toBe("en");
    if (select) select.value = "id";
    select?.dispatchEvent(new Event("change"));
    expect(chosen).toHaveBeenCalledWith("id");
  });
});

describe("the last known counts", () => {
  it("are kept for each site, and dropped once it is not public", () => {
    keep("demo", LIVE);
    expect(kept("demo")).toEqual({ site: SITE, offset_ms: 0 });
    expect(kept("other").site).toBeNull();
    keep("demo", { ...LIVE, site: null });
    expect(kept("demo").site).toBeNull();
  });

  it("are none if what is stored cannot be read", () => {
    localStorage.setItem("driver:1:demo", "{");
    expect(kept("demo").site).toBeNull();
  });
});

describe("a display", () => {
  const page = (script: string) => `<script type="module" src="/assets/${script}.js"></script>`;
  const running = () => new DOMParser().parseFromString(page("driver-1"), "text/html");

  it.each([
    [new Response(page("driver-2")), true],
    [new Response(page("driver-1")), false],
    [new Response("<h1>Bad gateway</h1>"), false],
    [new Response(page("driver-2"), { status: 404 }), false],
  ])("loads a newer version of the page only if there is one (case %#)", async (answer, newer) => {
    expect(await isNewer(Promise.resolve(answer), running())).toBe(newer);
  });

  it("keeps the page while the server is away", async () => {
    expect(await isNewer(Promise.reject(new TypeError("network")), running())).toBe(false);
  });
});
