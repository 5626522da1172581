// node languages.mjs URL SITE CACHE SCREENSHOTS
// Checks the operators' page in both languages: the choice, every page without an English text left in
// Indonesian, accessibility in both themes, and the width of a phone.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { launch } from "./browser.mjs";
import { Watched } from "./watched.mjs";

const [url, site, cache, folder] = process.argv.slice(2);
const axe = readFileSync(join(import.meta.dirname, "node_modules/axe-core/axe.min.js"), "utf8");
const messages = (language) =>
  JSON.parse(readFileSync(join(import.meta.dirname, `../src/shared/messages/${language}.json`), "utf8"));
const [english, indonesian] = [messages("en"), messages("id")];
const DESK = { viewport: { width: 1440, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, deviceScaleFactor: 2 };
const PAGES = ["", "history", "stays", "fleet", "cameras", "account", "accounts", "audit"];
// This notifier has no history, accounts or devices: the pages say so.
const MISSING = /status of (401|404|503)/;

mkdirSync(folder, { recursive: true });
const browser = await launch(cache);
try {
  await chosenByKeyboard({ ...DESK, locale: "en-GB" });
  for (const [colorScheme, locale] of [
    ["light", "en-GB"],
    ["light", "id-ID"],
    ["dark", "id-ID"],
  ]) {
    await everyPage({ ...DESK, colorScheme, locale });
  }
  await phone({ ...PHONE, locale: "id-ID" });
} finally {
  await browser.close();
}

async function chosenByKeyboard(options) {
  const watched = await Watched.open(browser, `${url}/#/${site}`, options);
  const { page } = watched;
  const language = () => page.evaluate(() => document.documentElement.lang);
  await watched.step(
    "the keyboard chooses Indonesian, keeps its place, and a reload keeps the language",
    async () => {
      await page.getByRole("combobox", { name: "Language" }).press("ArrowDown");
      const choice = page.getByRole("combobox", { name: "Bahasa" });
      await choice.waitFor();
      assert.equal(await choice.evaluate((each) => each === document.activeElement), true);
      assert.equal(await language(), "id");
      await page.reload();
      await page.getByRole("link", { name: "Riwayat" }).waitFor();
      await page.getByRole("combobox", { name: "Bahasa" }).press("ArrowUp");
      await page.getByRole("link", { name: "History" }).waitFor();
      assert.equal(await language(), "en");
    },
  );
  await watched.close();
}

async function everyPage(options) {
  const watched = await Watched.open(browser, `${url}/#/${site}`, options);
  watched.allow(MISSING);
  const { page } = watched;
  const isEnglish = options.locale.startsWith("en");
  for (const name of PAGES) {
    const label = `${name || "live"} page, ${options.locale}, ${options.colorScheme}`;
    await watched.step(`axe finds no fault: ${label}`, async () => {
      await open(page, name);
      await accessible(page);
    });
    await inOneLanguage(page, isEnglish, label);
    if (options.colorScheme === "light") await shoot(page, `${name || "live"}-${options.locale}`);
  }
  const label = `details and key dialog, ${options.locale}, ${options.colorScheme}`;
  await watched.step(`axe finds no fault: ${label}`, async () => {
    await open(page, "");
    await page.locator("[data-slot]").first().press("Enter");
    await page.locator(".slot-correction summary").click();
    await accessible(page);
    await page.locator(".slot-actions button").last().click();
    await page.locator("dialog[open]").waitFor();
    await accessible(page);
    await inOneLanguage(page, isEnglish, label);
  });
  await watched.close();
}

/** No English is left in Indonesian. In English the same search must find texts, or it proves nothing. */
async function inOneLanguage(page, isEnglish, label) {
  const left = await englishTexts(page);
  if (isEnglish) assert.ok(left.length > 5, left.join());
  else assert.deepEqual(left, [], `English on the ${label}`);
}

async function open(page, name) {
  await page.goto(`${url}/#/${site}${name && `/${name}`}`);
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
}

/** Texts on the page, and names of its elements, that are English messages and differ in Indonesian. */
async function englishTexts(page) {
  const known = Object.keys(english).flatMap((key) => {
    const same = typeof english[key] === "string" && english[key] === indonesian[key];
    return typeof english[key] === "string" && !same && !english[key].includes("{") ? [english[key]] : [];
  });
  const shown = await page.evaluate(() => {
    const texts = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) texts.push(walk.currentNode.textContent.trim());
    for (const each of document.querySelectorAll("[aria-label],[title],[placeholder],[alt]"))
      for (const name of ["aria-label", "title", "placeholder", "alt"]) texts.push(each.getAttribute(name));
    return texts.filter(Boolean);
  });
  return [...new Set(shown)].filter((text) => known.includes(text));
}

async function phone(options) {
  const watched = await Watched.open(browser, `${url}/#/${site}`, options);
  watched.allow(MISSING);
  await watched.step("nothing reaches beyond the phone's screen in Indonesian", async () => {
    for (const name of PAGES) {
      await open(watched.page, name);
      const beyond = await watched.page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        if (scrollWidth <= clientWidth) return [];
        const reaches = (each) => each.getBoundingClientRect().right > clientWidth;
        return [...document.querySelectorAll("main *, footer *, header *")]
          .filter(reaches)
          .map((each) => each.outerHTML);
      });
      assert.deepEqual(beyond, [], name);
      await shoot(watched.page, `${name || "live"}-phone-id`);
    }
  });
  await watched.close();
}

async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(
    violations.map((each) => `${each.id}: ${each.nodes[0].html}`),
    [],
  );
}

async function shoot(page, name) {
  await page.screenshot({ path: join(folder, `language-${name}.png`), fullPage: true });
}
