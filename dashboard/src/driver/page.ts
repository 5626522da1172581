/** Writes a state into the page. Changes only what differs, so that screen readers stay quiet. */
import { nameOf } from "../shared/messages";
import { LANGUAGES, type DriverWords } from "./language";
import type { Part, PublicSite, PublicZone } from "./public-site";
import { ARROWS, headline, otherKinds, shownOf, type Arrow, type Link, type Shown } from "./shown";
import type { State } from "./state";
import { ageTexts, countTexts, noticeText, titleText } from "./texts";

export interface View {
  words: DriverWords;
  arrows: ReadonlyMap<string, Arrow>;
}

const byId = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
};

export function show(state: State, now_ms: number, view: View): void {
  const { site, link } = state;
  const { words } = view;
  const notice = noticeText(link, words);
  setText(byId("notice"), notice ?? "");
  byId("notice").hidden = notice === null;
  if (site === null) showNoSite(link, words);
  else showSite(site, link, now_ms + state.offset_ms, view);
}

/** Shows the parts that depend only on the language. */
export function showLanguage(language: string, words: DriverWords, choose: (language: string) => void): void {
  document.documentElement.lang = language;
  setText(byId("language-label"), words.say("language"));
  setText(byId("source"), words.say("source"));
  setText(byId("directions"), words.say("directions"));
  byId("zones").setAttribute("aria-label", words.say("zones"));
  const select = byId("language") as HTMLSelectElement;
  select.replaceChildren(...LANGUAGES.map(languageOption));
  select.value = language;
  select.onchange = () => {
    choose(select.value);
  };
  byId("footer").hidden = false;
}

function languageOption(language: string): HTMLOptionElement {
  const option = document.createElement("option");
  option.value = option.lang = language;
  option.textContent = nameOf(language);
  return option;
}

function showNoSite(link: Link, words: DriverWords): void {
  const found = link !== "not-public";
  const title = words.say(found ? "loading" : "notFound");
  document.title = title;
  setText(byId("name"), title);
  setText(byId("age"), found ? "" : words.say("notPublic"));
  for (const id of ["count", "kinds", "zones"]) byId(id).replaceChildren();
  byId("directions").hidden = true;
}

function showSite(site: PublicSite, link: Link, now_ms: number, { words, arrows }: View): void {
  const shown = shownOf(site, headline(site), link, now_ms);
  const title = titleText(site, link, now_ms, words);
  if (document.title !== title) document.title = title;
  setText(byId("name"), site.name);
  const { number, line } = countTexts(shown, words);
  // Set as custom properties, because the page's policy forbids style attributes.
  byId("count").style.setProperty("--characters", String(Math.max(2, number.length)));
  replace(byId("count"), () => [element("strong", number), element("span", line)], shown, words);
  mark(byId("count"), shown);
  setText(byId("age"), ageTexts(site, link, now_ms, words).join(" · "));
  const others = otherKinds(site).map((each) => ({
    ...each,
    shown: shownOf(site, each.counts, link, now_ms),
  }));
  const items = () => others.map((each) => kindItem(words.say(`kind.${each.kind}`), each.shown, words));
  replace(byId("kinds"), items, others, words);
  const zones = site.zones.length > 1 ? site.zones.toSorted((a, b) => words.compare(a.name, b.name)) : [];
  const zoneShown = zones.map((zone) => [zone, ...shownOfZone(zone, link, now_ms)] as const);
  replace(
    byId("zones"),
    () => zoneShown.map(([zone, ...of]) => zoneItem(zone, of, arrows.get(zone.zone_id), words)),
    zoneShown.map(([zone, ...of]) => [zone.zone_id, zone.name, of]),
    words,
  );
  document.documentElement.style.setProperty("--zones", String(zones.length));
  const directions = byId("directions") as HTMLAnchorElement;
  directions.hidden = site.directions === null;
  if (site.directions !== null && directions.href !== site.directions) directions.href = site.directions;
}

type ZoneShown = [whole: Shown, kinds: { kind: Part["kinds"][number]["kind"]; shown: Shown }[]];

function shownOfZone(zone: PublicZone, link: Link, now_ms: number): ZoneShown {
  return [
    shownOf(zone, headline(zone), link, now_ms),
    otherKinds(zone).map(({ kind, counts }) => ({ kind, shown: shownOf(zone, counts, link, now_ms) })),
  ];
}

function zoneItem(zone: PublicZone, [shown, kinds]: ZoneShown, arrow: Arrow | undefined, words: DriverWords) {
  const item = kindItem(zone.name, shown, words);
  if (arrow) {
    const sign = element("span", ARROWS[arrow], "arrow");
    sign.setAttribute("role", "img");
    sign.setAttribute("aria-label", words.say(`arrow.${arrow}`));
    item.prepend(sign);
  }
  const more = kinds.map((each) => {
    const { number } = countTexts(each.shown, words);
    return `${words.say(`kind.${each.kind}`)}: ${number}`;
  });
  if (more.length > 0) item.append(element("span", more.join(" · "), "more"));
  return item;
}

function kindItem(name: string, shown: Shown, words: DriverWords): HTMLElement {
  const { number, line } = countTexts(shown, words);
  const item = document.createElement("li");
  item.append(element("span", name, "label"), element("strong", number), element("span", line, "line"));
  mark(item, shown);
  return item;
}

function mark(target: HTMLElement, shown: Shown): void {
  target.dataset.is = shown.is;
  target.classList.toggle("old", "old" in shown && shown.old);
}

function element(tag: "strong" | "span", text: string, name = ""): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

const written = new WeakMap<HTMLElement, string>();

/** Writes new children if `of`, or the language, is not what was written last. */
function replace(target: HTMLElement, children: () => HTMLElement[], of: unknown, words: DriverWords): void {
  const now = words.locale + JSON.stringify(of);
  if (written.get(target) === now && target.hasChildNodes()) return;
  written.set(target, now);
  target.replaceChildren(...children());
}
