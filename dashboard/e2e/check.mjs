// node check.mjs URL SITE KEY CACHE SHOTS
// Checks a running dashboard in Chromium, as its users see it. Prints a line for each passed check, and
// requests to the caller: `restart` (kill the server), `silence` and `resume` (the camera). Exits with 1
// at the first failure.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, launch } from "./browser.mjs";
import { Watched } from "./watched.mjs";

const [url, site, key, cache, shots] = process.argv.slice(2);
const axe = readFileSync(join(import.meta.dirname, "node_modules/axe-core/axe.min.js"), "utf8");
const PHONE = { width: 360, height: 740 };
const DESK = { width: 1280, height: 900 };

mkdirSync(shots, { recursive: true });
const browser = await launch(cache);
try {
  const desk = await Watched.open(browser, `${url}/#/${site}`, { viewport: DESK, colorScheme: "light" });
  await desk.step("the counts agree with the API", () => countsAgree(desk.page));
  await desk.step("a change appears in the feed and on the plan", () => changeShows(desk.page));
  await desk.step("the picture is live, with an outline for each slot", () => pictureIsLive(desk.page));
  await desk.step("axe finds no accessibility fault, light", () => accessible(desk.page));
  await desk.step("the keyboard reaches a slot, its neighbour and the details", () => keyboard(desk.page));
  await desk.page.screenshot({ path: join(shots, "desk-light.png") });
  await desk.step("the table names every slot", () => tableIsWhole(desk.page));
  desk.allow(/status of 401/);
  await desk.step("an operator closes a slot and reopens it", () => closeAndOpen(desk.page));
  await desk.step("a silent camera makes slots unknown, not free", () => silence(desk.page));
  desk.allow(/ERR_|status of 503/);
  await desk.step("a lost connection is shown, and nothing is missed", () => survivesRestart(desk.page));
  await desk.close();

  const phone = await Watched.open(browser, `${url}/#/${site}`, {
    viewport: PHONE,
    colorScheme: "dark",
    deviceScaleFactor: 2,
    hasTouch: true,
  });
  await phone.step("a phone scrolls in one direction only", () => fitsPhone(phone.page));
  await phone.page.screenshot({ path: join(shots, "phone-dark.png"), fullPage: true });
  await phone.step("axe finds no accessibility fault, dark", () => accessible(phone.page));
  await phone.step("a tap opens the details above the fold", () => tap(phone.page));
  await phone.page.screenshot({ path: join(shots, "phone-details.png") });
  await phone.close();

  // Must be last: it publishes layouts, and the simulated camera's detections belong to the first one.
  const again = await Watched.open(browser, `${url}/#/${site}`, { viewport: DESK, colorScheme: "dark" });
  await again.step("an operator sets the size for analysis and resets it", () => inputSize(again.page));
  await again.page.screenshot({ path: join(shots, "desk-input-size.png"), fullPage: true });
  await again.step("an operator adds a device and revokes it", () => devices(again.page));
  await again.close();
} catch (error) {
  await fail(browser, shots, "failed", error);
} finally {
  await browser.close();
}

/** Page and API may differ for a moment while a change is under way. */
async function countsAgree(page) {
  await page.getByTestId("site-counts").waitFor();
  await eventually(async () => {
    const answer = await (await fetch(`${url}/api/sites/${site}`)).json();
    const shown = {};
    for (const state of ["free", "occupied", "unknown", "closed"]) {
      shown[state] = Number(
        await page.getByTestId("site-counts").locator(`li [data-testid=${state}]`).innerText(),
      );
    }
    const { total, ...states } = answer.counts;
    assert.deepEqual(shown, states);
    assert.equal(await page.locator("[data-slot]").count(), total);
    for (const zone of answer.zones) {
      const free = page.getByTestId(`zone-${zone.zone_id}`).getByTestId("free").first();
      assert.equal(Number(await free.innerText()), zone.counts.free);
    }
  });
}

async function changeShows(page) {
  const newest = page.locator("[data-change]").first();
  const before = (await newest.count()) ? await newest.getAttribute("data-change") : null;
  await eventually(async () => {
    assert.notEqual(await newest.getAttribute("data-change", { timeout: 1_000 }), before);
  });
  await eventually(async () => {
    const slot = await newest.getAttribute("data-slot-changed");
    const words = await newest.locator("strong").nth(1).innerText();
    assert.equal(await page.locator(`[data-slot="${slot}"]`).getAttribute("data-state"), words);
  });
}

async function pictureIsLive(page) {
  await page.locator(".picture").scrollIntoViewIfNeeded();
  await page.locator(".badge-live").waitFor();
  const outlines = page.locator(".outline");
  const { cameras } = await (await fetch(`${url}/api/sites/${site}`)).json();
  assert.equal(await outlines.count(), cameras[0].slots.length);
  const painted = await page.locator(".picture canvas").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(data).size;
  });
  assert.ok(painted > 20, `${painted} different values in the picture`);
}

async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(
    violations.map((each) => `${each.id}: ${each.nodes[0].html}`),
    [],
  );
}

async function keyboard(page) {
  await page.evaluate(() => scrollTo(0, 0));
  await page.locator("h1").click();
  for (let tabs = 0; tabs < 30 && !(await focusedSlot(page)); tabs++) await page.keyboard.press("Tab");
  const first = await focusedSlot(page);
  assert.ok(first, "no slot after 30 tabs");
  await page.locator(".readout").getByText(first, { exact: true }).waitFor();
  await page.keyboard.press("ArrowRight");
  const second = await focusedSlot(page);
  assert.ok(second && second !== first, `from ${first} to ${second}`);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: `Space ${second}` }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByTestId("details").waitFor({ state: "detached" });
  assert.equal(await focusedSlot(page), second);
}

async function tableIsWhole(page) {
  await page.getByRole("button", { name: "Table" }).click();
  const { slots } = await (await fetch(`${url}/api/sites/${site}`)).json();
  const named = await page.locator("tbody th").allInnerTexts();
  assert.deepEqual(named.sort(), slots.map((slot) => slot.slot_id).sort());
  const opener = page.locator("tbody th button").first();
  await opener.press("Enter");
  await page.getByTestId("details").waitFor();
  await page.keyboard.press("Escape");
  await page.getByTestId("details").waitFor({ state: "detached" });
  await hasFocus(opener);
  await page.getByRole("button", { name: "Plan", exact: true }).click();
}

async function closeAndOpen(page) {
  const slot = page.locator("[data-slot]").last();
  await slot.click();
  const details = page.getByTestId("details");
  await details.getByLabel("Reason (optional)").fill("being painted");
  await details.getByRole("button", { name: "Close this space" }).click();
  await page.getByLabel("Key", { exact: true }).fill("pk_wrong");
  await page.getByRole("button", { name: "Use this key" }).click();
  await page.locator(".dialog .fault").waitFor();
  await page.getByLabel("Key", { exact: true }).fill(key);
  await page.getByRole("button", { name: "Use this key" }).click();
  await eventually(async () => assert.equal(await slot.getAttribute("data-state"), "closed"));
  await details.getByText("being painted", { exact: false }).waitFor();
  await page.screenshot({ path: join(shots, "desk-closed.png") });
  await details.getByRole("button", { name: "Reopen this space" }).click();
  await eventually(async () => assert.notEqual(await slot.getAttribute("data-state"), "closed"));
  await page.keyboard.press("Escape");
  await details.waitFor({ state: "detached" });
}

async function inputSize(page) {
  const panel = page.getByTestId("input-size");
  await panel.getByText("automatic:").waitFor();
  for (const [choice, words] of [
    ["1280", "fixed: set by an operator"],
    ["", "automatic:"],
  ]) {
    await panel.getByLabel("Size for analysis").selectOption(choice);
    await panel.getByRole("button", { name: "Set size" }).press("Enter");
    if (choice) {
      await page.getByLabel("Key", { exact: true }).fill(key);
      await page.getByRole("button", { name: "Use this key" }).press("Enter");
    }
    await panel.getByText(words).waitFor();
    await panel.getByRole("status").getByText("Set.").waitFor();
    await hasFocus(panel.getByRole("button", { name: "Set size" }));
  }
  await accessible(page);
}

async function devices(page) {
  await page.getByRole("link", { name: "Fleet" }).press("Enter");
  const panel = page.getByTestId("devices");
  await panel.getByRole("button", { name: "Show devices" }).press("Enter");
  await panel.getByLabel("Name of a new device").fill("gate-2");
  await panel.getByRole("button", { name: "Add device" }).press("Enter");
  const secret = JSON.parse(await panel.getByTestId("device-secret").getByLabel("Configuration").innerText());
  assert.deepEqual([secret.device_id, typeof secret.password], [`${site}/gate-2`, "string"]);
  const row = panel.getByRole("row", { name: /^gate-2/ });
  await row.getByText("no report yet").waitFor();
  await accessible(page);
  await page.screenshot({ path: join(shots, "desk-devices.png"), fullPage: true });
  await row.getByRole("button", { name: `Revoke ${site}/gate-2` }).press("Enter");
  await hasFocus(row.getByRole("button", { name: "Confirm" }));
  await page.keyboard.press("Enter");
  await row.waitFor({ state: "detached" });
  await hasFocus(panel.getByRole("button", { name: "Refresh" }));
}

async function silence(page) {
  console.log("silence");
  await page.locator(".picture").scrollIntoViewIfNeeded();
  await page.locator(".badge-stale").waitFor();
  // A slot is shown as old before it becomes unknown.
  await page.locator('.slot-old[aria-label*="last seen over"]').first().waitFor();
  await page.screenshot({ path: join(shots, "desk-old.png"), fullPage: true });
  await page.locator(".camera-offline").getByText("stopped sending").waitFor();
  await page.getByTestId("site-counts").getByText("No live data").waitFor();
  await page.screenshot({ path: join(shots, "desk-silent.png"), fullPage: true });
  console.log("resume");
  await page.locator(".badge-live").waitFor();
  await page.locator(".camera-online").waitFor();
  await page.getByTestId("site-counts").getByTestId("free").first().waitFor();
  await countsAgree(page);
}

async function survivesRestart(page) {
  console.log("restart");
  await page.locator(".pill-reconnecting").waitFor();
  await page.locator(".pill-live").waitFor({ timeout: 60_000 });
  await changeShows(page);
  await countsAgree(page);
}

async function fitsPhone(page) {
  await countsAgree(page);
  const excess = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
  assert.equal(await page.evaluate(excess), 0);
}

async function tap(page) {
  const slot = page.locator("[data-slot]").last();
  await slot.scrollIntoViewIfNeeded();
  await slot.tap();
  await page.getByTestId("details").waitFor();
  const sheet = await page.getByTestId("details").boundingBox();
  const place = await slot.boundingBox();
  assert.ok(place.y + place.height <= sheet.y, "the details hide the slot");
}

async function hasFocus(locator) {
  await eventually(async () => assert.ok(await locator.evaluate((each) => each === document.activeElement)));
}

function focusedSlot(page) {
  return page.evaluate(() => document.activeElement?.getAttribute("data-slot") ?? null);
}

async function eventually(check, limit_ms = 20_000) {
  for (const deadline = Date.now() + limit_ms; ;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
