/** The page's texts for a state. Pure. */
import { nothingKnown } from "../shared/counts";
import type { DriverWords } from "./language";
import type { PublicSite } from "./public-site";
import { headline, shownOf, type Link, type Shown } from "./shown";

/** The large number, or a sign in its place, and the line below it. */
export function countTexts(shown: Shown, words: DriverWords): { number: string; line: string } {
  switch (shown.is) {
    case "free":
      return { number: words.number(shown.free), line: words.say("freeOf", { total: shown.total }) };
    case "full":
      return { number: words.say("full"), line: words.say("fullOf", { count: shown.total }) };
    case "closed":
      return { number: words.say("closed"), line: "" };
    case "undrawn":
      return { number: "–", line: words.say("undrawn") };
    case "unseen":
      return { number: "?", line: words.say("noLiveData") };
  }
}

/** Lines below the count: why there is no number, or the number's age and what it leaves out. */
export function ageTexts(site: PublicSite, link: Link, now_ms: number, words: DriverWords): string[] {
  const counts = headline(site);
  const shown = shownOf(site, counts, link, now_ms);
  const lines: string[] = [];
  if (shown.is === "unseen") {
    lines.push(words.say(`reason.${shown.reason}`));
    if (site.seen_at_ms !== null) {
      lines.push(words.say("lastSeen", { ago: words.ago(now_ms - site.seen_at_ms) }));
    }
    if (site.observed_at_ms !== null && !nothingKnown(counts)) {
      const time = words.clock(site.observed_at_ms, now_ms);
      lines.push(words.say("lastKnown", { count: counts.free, time }));
    }
  } else if (shown.is === "free" || shown.is === "full") {
    if (site.observed_at_ms !== null) {
      const ago = words.ago(now_ms - site.observed_at_ms);
      lines.push(words.say(shown.old ? "old" : "updated", { ago }));
    }
    if (counts.unknown > 0) lines.push(words.say("unseen", { count: counts.unknown }));
  }
  return lines;
}

/** A notice about the connection; null while it works. */
export function noticeText(link: Link, words: DriverWords): string | null {
  if (link === "lost") return words.say("lost");
  if (link === "starting") return words.say("starting");
  return null;
}

export function titleText(site: PublicSite, link: Link, now_ms: number, words: DriverWords): string {
  const { number, line } = countTexts(shownOf(site, headline(site), link, now_ms), words);
  return `${[number, line].filter(Boolean).join(" ")} – ${site.name}`;
}
