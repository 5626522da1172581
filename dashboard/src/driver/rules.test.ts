import { describe, expect, it } from "vitest";

import { makeWords } from "../shared/messages";
import en from "./messages/en.json";
import { ask, pauseMs } from "./poll";
import { arrowsOf, headline, otherKinds, shownOf, type Link } from "./shown";
import { after, type State } from "./state";
import { counts, NOW_MS, publicSite } from "./testing";
import { ageTexts, countTexts, noticeText, titleText } from "./texts";

const WORDS = makeWords("en", en, "Asia/Jakarta");
const START: State = { site: null, offset_ms: 0, link: "connecting" };

function shown(of: Parameters<typeof counts>[0], link: Link = "live", now_ms = NOW_MS) {
  return shownOf(publicSite({ reason: "view-blocked" }), counts(of), link, now_ms);
}

describe("the number", () => {
  it.each([
    [
      { free: 2, occupied: 4, closed: 1 },
      { is: "free", free: 2, total: 6, old: false },
    ],
    [{ occupied: 5 }, { is: "full", free: 0, total: 5, old: false }],
    [
      { occupied: 5, unknown: 1 },
      { is: "free", free: 0, total: 6, old: false },
    ],
    [
      { unknown: 5, closed: 1 },
      { is: "unseen", reason: "view-blocked" },
    ],
    [{ closed: 6 }, { is: "closed" }],
    [{}, { is: "undrawn" }],
  ])("of %j is %j", (of, expected) => {
    expect(shown(of)).toEqual(expected);
  });

  it("is old after three intervals, and not shown once it expires", () => {
    const at = (seconds: number, link: Link) => shown({ free: 2 }, link, NOW_MS + 1_000 * seconds);
    expect(at(9, "live")).toMatchObject({ is: "free", old: false });
    expect(at(10, "live")).toMatchObject({ is: "free", old: true });
    expect(at(114, "lost")).toMatchObject({ is: "free", old: true });
    expect(at(115, "live")).toEqual({ is: "unseen", reason: "no-news" });
    expect(at(115, "lost")).toEqual({ is: "unseen", reason: "no-connection" });
  });

  it("does not age where people state what is free", () => {
    const site = publicSite({ observed_at_ms: null, old_at_ms: null, expires_at_ms: null });
    expect(shownOf(site, counts({ free: 1 }), "live", NOW_MS * 2)).toMatchObject({ is: "free", old: false });
  });

  it("is that of the standard spaces, with the other kinds beside it", () => {
    const site = publicSite();
    expect(headline(site).free).toBe(3);
    expect(otherKinds(site).map(({ kind }) => kind)).toEqual(["accessible"]);
    const only = publicSite({ kinds: [{ kind: "ev", counts: counts({ free: 4, occupied: 8 }) }] });
    expect([headline(only).free, otherKinds(only)]).toEqual([4, []]);
    const two = publicSite({ kinds: publicSite().kinds.map((each) => ({ ...each, kind: "ev" as const })) });
    expect([headline(two).free, otherKinds(two).length]).toEqual([4, 2]);
  });
});

describe("the texts", () => {
  const ages = (change: Parameters<typeof publicSite>[0], link: Link = "live", later_ms = 0) =>
    ageTexts(publicSite(change), link, NOW_MS + later_ms, WORDS);

  it("give the number, its age, and the spaces that are not seen", () => {
    expect(countTexts(shown({ free: 2, occupied: 4 }), WORDS)).toEqual({ number: "2", line: "free of 6" });
    expect(countTexts(shown({ occupied: 6 }), WORDS).number).toBe("Full");
    expect(ages({})).toEqual(["Updated 5s ago"]);
    const half = [{ kind: "standard" as const, counts: counts({ free: 3, unknown: 2 }) }];
    expect(ages({ kinds: half })).toEqual(["Updated 5s ago", "2 spaces cannot be seen"]);
    expect(ages({}, "live", 20_000)).toEqual(["Old data, updated 25s ago"]);
  });

  it("give the reason and the last known number in place of a wrong one", () => {
    expect(ages({}, "lost", 600_000)).toEqual([
      "There is no connection to the car park",
      "Last seen 10m ago",
      "Last known: 3 free spaces at 05:13 AM",
    ]);
    const blind = [{ kind: "standard" as const, counts: counts({ unknown: 12 }) }];
    expect(ages({ kinds: blind, reason: "no-picture", observed_at_ms: null })).toEqual([
      "No pictures come from the cameras",
      "Last seen 5s ago",
    ]);
  });

  it("name the site in the title, and speak of the connection only when it is cut", () => {
    expect(titleText(publicSite(), "live", NOW_MS, WORDS)).toBe("3 free of 10 – Station Square");
    expect(noticeText("live", WORDS)).toBeNull();
    expect(noticeText("lost", WORDS)).toBe("No connection. Trying again.");
  });
});

describe("an answer", () => {
  const site = publicSite();

  it("sets the clock by the server, in steps that are more than rounding", () => {
    const first = after(START, { is: "site", site, server_ms: NOW_MS + 60_000 }, NOW_MS);
    expect(first).toEqual({ site, offset_ms: 60_000, link: "live" });
    const same = after(first, { is: "site", site, server_ms: NOW_MS + 65_400 }, NOW_MS + 5_000);
    expect(same.offset_ms).toBe(60_000);
    expect(after(first, { is: "site", site, server_ms: null }, NOW_MS).offset_ms).toBe(60_000);
  });

  it("that fails keeps the last counts; one that the site is not public drops them", () => {
    const live: State = { site, offset_ms: 0, link: "live" };
    expect(after(live, { is: "failed" }, NOW_MS)).toEqual({ ...live, link: "lost" });
    expect(after(live, { is: "starting" }, NOW_MS)).toEqual({ ...live, link: "starting" });
    expect(after(live, { is: "not-public" }, NOW_MS)).toEqual({ ...live, site: null, link: "not-public" });
  });

  it.each([
    [200, "site"],
    [404, "not-public"],
    [503, "starting"],
    [429, "failed"],
    [500, "failed"],
  ])("with status %i is: %s", async (status, expected) => {
    const get = () => Promise.resolve(new Response(JSON.stringify(site), { status }));
    expect((await ask("/x", new AbortController().signal, get)).is).toBe(expected);
  });

  it("carries the server's time, also through a cache", async () => {
    const date = "Fri, 02 Jan 2026 12:00:00 GMT";
    const get = (headers: Record<string, string>) => () =>
      Promise.resolve(new Response(JSON.stringify(site), { headers }));
    const signal = new AbortController().signal;
    const at_ms = Date.UTC(2026, 0, 2, 12);
    expect(await ask("/x", signal, get({ Date: date }))).toMatchObject({ server_ms: at_ms });
    expect(await ask("/x", signal, get({ Date: date, Age: "2" }))).toMatchObject({
      server_ms: at_ms + 2_000,
    });
    expect(await ask("/x", signal, get({}))).toMatchObject({ server_ms: null });
  });

  it("that does not come is a failure", async () => {
    const cut = () => Promise.reject(new TypeError("network"));
    expect((await ask("/x", new AbortController().signal, cut)).is).toBe("failed");
  });
});

describe("the pause before the next request", () => {
  it("is five seconds, and grows while nothing answers", () => {
    expect(pauseMs("site", 0, 0)).toBe(5_000);
    expect(pauseMs("site", 0, 1)).toBe(5_500);
    expect([1, 2, 3, 4, 9].map((failures) => pauseMs("failed", failures, 0))).toEqual([
      1_000, 2_000, 4_000, 8_000, 15_000,
    ]);
    expect(pauseMs("not-public", 1, 0)).toBe(30_000);
  });
});

describe("the arrows of a display", () => {
  it("come from its address", () => {
    expect([...arrowsOf("?left=A,B&right=C&up=D")]).toEqual([
      ["A", "left"],
      ["B", "left"],
      ["C", "right"],
    ]);
    expect([...arrowsOf("")]).toEqual([]);
  });
});
