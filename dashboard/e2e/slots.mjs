// node slots.mjs URL SITE OTHER_SITE KEY CACHE SHOTS
// Draws the spaces of two cameras without any: by mouse, and by keyboard alone. Prints a line for each
// passed check, and `detect SITE` when the detector should use the drawn spaces. Exits with 1 at the
// first failure.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, launch } from "./browser.mjs";
import { Watched } from "./watched.mjs";

const [url, site, other, key, cache, shots] = process.argv.slice(2);
const axe = readFileSync(join(import.meta.dirname, "node_modules/axe-core/axe.min.js"), "utf8");
const DESK = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
const MOST_ACTIONS = 25;
const layoutUrl = `${url}/api/cameras/${site}/north/layout`;

mkdirSync(shots, { recursive: true });
const browser = await launch(cache);
try {
  const desk = await Watched.open(browser, `${url}/#/${site}`, { viewport: DESK, colorScheme: "light" });
  desk.allow(/status of (401|404|412|422)/);
  const { page } = desk;
  await desk.step("30 spaces drawn by mouse get their states", () => rows(page));
  await desk.step("a space is dragged, snaps and gets a corner, and all is undone", () => shape(page));
  await desk.step("the wheel zooms and the draft survives a reload", () => draft(page));
  await desk.step("a version published in the meantime is a conflict, and nothing is lost", () =>
    conflict(page),
  );
  await desk.step("a fault found by the server is shown at its space", () => serverFault(page));
  await desk.step("axe finds no accessibility fault, light", () => accessible(page));
  await page.screenshot({ path: join(shots, "slots-desk-light.png") });
  await desk.close();

  const keys = await Watched.open(browser, `${url}/#/${other}`, { viewport: DESK, colorScheme: "dark" });
  keys.allow(/status of (401|404)/);
  await keys.step("a space drawn by keyboard alone gets its state", () => keyboard(keys.page));
  await keys.close();

  const phone = await Watched.open(browser, `${url}/#/cameras/${site}/north/slots`, {
    viewport: PHONE,
    colorScheme: "dark",
    hasTouch: true,
  });
  await phone.step("a phone scrolls in one direction only", () => fitsPhone(phone.page));
  await phone.step("axe finds no accessibility fault, dark", () => accessible(phone.page));
  await phone.page.screenshot({ path: join(shots, "slots-phone-dark.png"), fullPage: true });
  await phone.close();
} catch (error) {
  await fail(browser, shots, "slots-failed", error);
} finally {
  await browser.close();
}

async function rows(page) {
  let actions = 0;
  const act = async (action) => {
    actions += 1;
    await action;
  };
  await act(page.getByRole("link", { name: `Draw spaces of ${site}/north` }).click());
  await page.getByTestId("slots-canvas").waitFor();
  await act(page.getByRole("button", { name: "Draw a row" }).click());
  const fronts = [
    ["A01", 0.05, 0.15, 0.95, 0.3],
    ["B01", 0.02, 0.6, 0.98, 0.9],
  ];
  for (const [first, left, top, right, bottom] of fronts) {
    const slope = (right - left) * 0.05;
    for (const place of [
      [left + slope, top],
      [right - slope, top],
      [right, bottom],
      [left, bottom],
    ]) {
      await act(clickAt(page, place));
    }
    const name = page.getByLabel("Name of the first space");
    if ((await name.inputValue()) !== first) await act(name.fill(first));
    const count = page.getByLabel("Number of spaces", { exact: true });
    if ((await count.inputValue()) !== "15") await act(count.fill("15"));
    if (first === "B01") await page.screenshot({ path: join(shots, "slots-desk-row.png") });
    await act(page.getByRole("button", { name: "Add the row" }).click());
    await message(page, "Row of 15 spaces added");
  }
  await act(page.getByRole("button", { name: "Publish", exact: true }).click());
  await act(page.getByLabel("Key", { exact: true }).fill(key));
  await act(page.getByRole("button", { name: "Use this key" }).click());
  await page.getByText("Published as version 1").waitFor();
  console.log(`detect ${site}`);
  await act(page.getByRole("link", { name: "Back to the lot" }).click());
  await page.locator('[data-slot="B15"][data-state="free"]').first().waitFor();
  assert.equal(await page.locator("[data-slot]").count(), 30);
  const { slots, reference } = await (await fetch(layoutUrl)).json();
  assert.deepEqual([slots.length, typeof reference], [30, "string"]);
  console.log(`ok: ${actions} actions by mouse for two rows of 15 (0 ms)`);
  assert.ok(actions <= MOST_ACTIONS, `${actions} actions`);
}

async function shape(page) {
  await page.getByRole("link", { name: "Edit spaces" }).click();
  const slot = page.locator('[data-drawn="B08"]');
  const outline = () => slot.locator("polygon").getAttribute("points");
  await slot.waitFor();
  const before = await outline();
  await drag(page, await centre(slot), [0, 60]);
  await message(page, "B08 moved");
  assert.notEqual(await outline(), before);
  // Within a few pixels of its neighbours it snaps to their corners.
  await drag(page, await centre(slot), [3, -57]);
  assert.equal(await outline(), before);
  const corner = await page.getByRole("button", { name: "Corner 1 of B08" }).boundingBox();
  const next = await page.getByRole("button", { name: "Corner 2 of B08" }).boundingBox();
  await page.mouse.dblclick((corner.x + next.x + next.width) / 2, corner.y + corner.height / 2);
  await message(page, "Corner 2 of B08 added");
  assert.equal((await outline()).split(" ").length, 5);
  await page.getByRole("button", { name: "Corner 2 of B08" }).press("Delete");
  await message(page, "Corner 2 of B08 deleted");
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await message(page, "30 spaces deleted");
  for (const words of ["30 spaces deleted", "Corner 2 of B08 deleted", "Corner 2 of B08 added"]) {
    await page.keyboard.press("Control+z");
    await message(page, `Undone: ${words}`);
  }
  assert.equal(await outline(), before);
}

async function draft(page) {
  const canvas = page.getByTestId("slots-canvas");
  const whole = await canvas.getAttribute("viewBox");
  const box = await canvas.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.wheel(0, -400);
  await eventually(async () => assert.notEqual(await canvas.getAttribute("viewBox"), whole));
  await canvas.press("0");
  await eventually(async () => assert.equal(await canvas.getAttribute("viewBox"), whole));
  await page.locator('[data-drawn="A03"]').click();
  await page.getByLabel("Kind").selectOption("ev");
  await page.getByLabel("Name", { exact: true }).fill("EV-1");
  await page.getByLabel("Name", { exact: true }).press("Enter");
  await page.locator('[data-drawn="EV-1"]').waitFor();
  await page.reload();
  await message(page, "Your draft was restored");
  await page.locator('[data-drawn="EV-1"]').waitFor();
}

async function conflict(page) {
  const theirs = await (await fetch(layoutUrl)).json();
  theirs.slots = theirs.slots.filter((slot) => slot.slot_id !== "B15");
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const answer = await fetch(layoutUrl, { method: "PUT", headers, body: JSON.stringify(theirs) });
  assert.equal(answer.status, 200);
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  const notice = page.getByTestId("conflict");
  await notice.getByText("Version 2 was published in the meantime").waitFor();
  await notice
    .getByText("A03, EV-1, B15", { exact: false })
    .or(notice.getByText("B15", { exact: false }))
    .first()
    .waitFor();
  await page.screenshot({ path: join(shots, "slots-conflict.png") });
  await accessible(page);
  await notice.getByRole("button", { name: "Show theirs" }).click();
  await page.locator('[data-drawn="B15"]').waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo" }).click();
  await page.locator('[data-drawn="EV-1"]').waitFor();
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.getByText("Published as version 3").waitFor();
  const { slots } = await (await fetch(layoutUrl)).json();
  assert.equal(slots.find((slot) => slot.slot_id === "EV-1").kind, "ev");
}

/** A space of one pixel: only the server refuses it. */
async function serverFault(page) {
  await page.getByRole("button", { name: "Draw a space" }).click();
  const box = await page.getByTestId("slots-canvas").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height * 0.45];
  for (const [right, down] of [
    [0, 0],
    [1, 0],
    [0, 1],
  ])
    await page.mouse.click(x + right, y + down);
  await page.keyboard.press("Enter");
  await message(page, "B16 drawn");
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.locator(".slots-list .fault").getByText("B16").waitFor();
  await page.getByText("its polygon has almost no area").first().waitFor();
  await page.screenshot({ path: join(shots, "slots-fault.png") });
  await page.getByTestId("slots-canvas").press("Control+z");
  await page.locator('[data-drawn="B16"]').waitFor({ state: "detached" });
  await page.getByTestId("slots-canvas").press("s");
}

async function keyboard(page) {
  await tabTo(page, `Draw spaces of ${other}/north`);
  await page.keyboard.press("Enter");
  await page.getByTestId("slots-canvas").waitFor();
  await tabTo(page, "Draw a space");
  await page.keyboard.press("Enter");
  // The focus is on the picture, and the cross in its middle.
  for (const path of [
    [],
    ["Control+ArrowRight"],
    ["Control+ArrowDown"],
    ["Control+ArrowLeft", "Shift+ArrowLeft"],
  ]) {
    for (const press of path) await page.keyboard.press(press);
    await page.keyboard.press("Space");
  }
  await message(page, "Corner 4 placed");
  await page.keyboard.press("Enter");
  await message(page, "A01 drawn");
  await page.keyboard.press("s");
  await tabTo(page, "Space A01", true);
  await page.keyboard.press("ArrowUp");
  await message(page, "A01 moved");
  await tabTo(page, "Corner 2 of A01");
  await page.keyboard.press("Insert");
  await message(page, "Corner 3 of A01 added");
  await page.screenshot({ path: join(shots, "slots-keyboard-dark.png") });
  await tabTo(page, "Publish");
  await page.keyboard.press("Enter");
  await page.keyboard.type(key);
  await page.keyboard.press("Enter");
  await page.getByText("Published as version 1").waitFor();
  console.log(`detect ${other}`);
  await tabTo(page, "Back to the lot", false, "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.locator('[data-slot="A01"]').first().waitFor();
  await eventually(async () => {
    assert.match(await page.locator('[data-slot="A01"]').first().getAttribute("data-state"), /free|occupied/);
  });
}

async function fitsPhone(page) {
  await page.getByTestId("slots-canvas").waitFor();
  const excess = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
  assert.equal(await page.evaluate(excess), 0);
}

async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(
    violations.map((each) => `${each.id}: ${each.nodes[0].html}`),
    [],
  );
}

/** Presses Tab until the element with this name has the focus. */
async function tabTo(page, name, begins = false, press = "Tab") {
  const focused = () =>
    page.evaluate(() => {
      const { activeElement } = document;
      return activeElement?.getAttribute("aria-label") ?? activeElement?.textContent?.trim() ?? "";
    });
  for (let tabs = 0; tabs < 80; tabs++) {
    const there = await focused();
    if (begins ? there.startsWith(name) : there === name) return;
    await page.keyboard.press(press);
  }
  assert.fail(`no ${name} after 80 tabs`);
}

async function message(page, words) {
  await page.getByTestId("slots-message").getByText(words, { exact: false }).waitFor();
}

/** Clicks a point of the picture, in shares of it. */
async function clickAt(page, [x, y]) {
  const box = await page.getByTestId("slots-canvas").boundingBox();
  const height = Math.min(box.height, (box.width * 9) / 16);
  const width = (height * 16) / 9;
  const [left, top] = [box.x + (box.width - width) / 2, box.y + (box.height - height) / 2];
  await page.mouse.click(left + x * width, top + y * height);
}

async function centre(locator) {
  const box = await locator.locator("polygon").boundingBox();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

async function drag(page, [x, y], [dx, dy]) {
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + dx / 2, y + dy / 2);
  await page.mouse.move(x + dx, y + dy);
  await page.mouse.up();
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
