// node first.mjs URL CODE CAMERA PICTURE CACHE SHOTS
// From an empty system to the first coloured space of a lot of 30: by mouse and by keyboard alone, for an IP
// camera (at the address CAMERA) and for an uploaded picture (the file PICTURE). Counts the actions. Prints a
// line for each way, and `empty SITE` when everything is to be removed. Exits with 1 at the first failure.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fail, launch } from "./browser.mjs";
import { Actions } from "./actions.mjs";
import { Watched } from "./watched.mjs";

const [url, code, camera, picture, cache, shots] = process.argv.slice(2);
const DESK = { width: 1440, height: 900 };
const MOST_ACTIONS = 25;
const NAME = "admin";
const PASSWORD = "correct horse battery";
const SPACES = 30;
/** The picture is 960 x 640. */
const SIZE = { width: 960, height: 640 };

mkdirSync(shots, { recursive: true });
const browser = await launch(cache);
try {
  for (const hands of ["mouse", "keys"]) {
    for (const source of ["camera", "picture"]) await way(hands, source);
  }
} catch (error) {
  await fail(browser, shots, "first-failed", error);
} finally {
  await browser.close();
}

async function way(hands, source) {
  const site = `${hands}-${source}`;
  const colorScheme = hands === "mouse" ? "light" : "dark";
  const watched = await Watched.open(browser, url, { viewport: DESK, colorScheme });
  watched.allow(/status of (401|404)/);
  const { page } = watched;
  const act = new Actions(page, hands);
  const started = Date.now();
  await page.getByRole("heading", { name: "Create the administrator" }).waitFor();
  await act.type(/^Setup code/, code);
  await act.type(/^Your name/, NAME);
  await act.type(/^Password/, PASSWORD);
  await act.press("Create");
  await page.getByRole("heading", { name: "No lots yet" }).waitFor();
  await act.follow("Add a camera");
  await (source === "camera" ? addCamera : uploadPicture)(page, act, site);
  await page.getByRole("link", { name: "Draw its spaces" }).waitFor({ timeout: 60_000 });
  await act.follow("Draw its spaces");
  await page.getByTestId("slots-canvas").waitFor();
  await (hands === "mouse" ? rowsByMouse : rowByKeys)(page, act);
  await act.press("Publish");
  await page.getByText("Published as version 1").waitFor();
  await act.follow("Back to the lot", "up");
  await page
    .locator('[data-slot][data-state="free"], [data-slot][data-state="occupied"]')
    .first()
    .waitFor({ timeout: 60_000 });
  assert.equal(await page.locator("[data-slot]").count(), SPACES);
  await page.screenshot({ path: join(shots, `first-${site}.png`) });
  const seconds = Math.round((Date.now() - started) / 1000);
  await watched.step(`${site}: ${act.count} actions, ${act.keys} keys pressed, ${seconds} s`, () => {
    assert.ok(act.count <= MOST_ACTIONS, `${act.count} actions: ${act.log.join(", ")}`);
  });
  await watched.close();
  console.log(`empty ${site}`);
  await eventually(async () => {
    const { setup } = await (await fetch(`${url}/api/v1/sign-in`)).json();
    assert.equal(setup, "code");
  });
}

async function addCamera(page, act, site) {
  await act.type("Lot", site);
  await act.type("Camera name", "gate");
  await act.type("Address", camera);
  await act.press("Save the camera");
}

async function uploadPicture(page, act, site) {
  await act.choose("A picture, to try it without a camera");
  await act.type("Lot", site);
  await act.file("Picture", picture);
  await page.screenshot({ path: join(shots, `first-upload-${site}.png`) });
  await act.press("Upload the picture");
}

/** Two rows of 15. */
async function rowsByMouse(page, act) {
  await act.press("Draw a row");
  for (const [left, top, right, bottom] of [
    [0.05, 0.15, 0.95, 0.35],
    [0.03, 0.55, 0.97, 0.9],
  ]) {
    const slope = (right - left) * 0.05;
    for (const place of [
      [left + slope, top],
      [right - slope, top],
      [right, bottom],
      [left, bottom],
    ]) {
      await act.clickAt(place, SIZE);
    }
    const count = page.getByLabel("Number of spaces", { exact: true });
    if ((await count.inputValue()) !== "15") await act.type("Number of spaces", "15");
    await act.press("Add the row");
    await page.getByTestId("slots-message").getByText("Row of 15 spaces added").waitFor();
  }
}

/** One row of 30: the keys move a cross from the middle of the picture. */
async function rowByKeys(page, act) {
  await act.press("Draw a row");
  await act.hold("Control+ArrowLeft", 4);
  await act.hold("Control+ArrowUp", 1);
  await act.key("Space");
  await act.hold("Control+ArrowRight", 8);
  await act.key("Space");
  await act.hold("Control+ArrowDown", 3);
  await act.key("Space");
  await act.hold("Control+ArrowLeft", 8);
  await act.key("Space");
  await act.type("Number of spaces", String(SPACES));
  await act.key("Enter");
  await page.getByTestId("slots-message").getByText(`Row of ${SPACES} spaces added`).waitFor();
}

async function eventually(check, limit_ms = 30_000) {
  for (const deadline = Date.now() + limit_ms; ;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
