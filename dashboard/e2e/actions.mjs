// What a person does at a page, counted: by mouse, or by keyboard alone.
//
// One action: a click, a field that is typed into, a file that is picked in the system's dialog, a key or key
// chord, also if it is held. Going to a control counts with using it, by the pointer as by Tab; `keys` counts
// the presses of Tab, too.
import assert from "node:assert/strict";

const MOST_TABS = 120;

export class Actions {
  count = 0;
  keys = 0;
  log = [];
  #page;
  #byMouse;

  constructor(page, hands) {
    this.#page = page;
    this.#byMouse = hands === "mouse";
  }

  async press(name) {
    await this.#use(name, this.#page.getByRole("button", { name, exact: true }));
  }

  /** `way`: where the link is from the present focus. */
  async follow(name, way = "down") {
    await this.#use(name, this.#page.getByRole("link", { name, exact: true }), "Enter", way);
  }

  async choose(name) {
    const radio = this.#page.getByRole("radio", { name, exact: true });
    if (this.#byMouse) {
      this.#did(name);
      await radio.click();
      return;
    }
    // Tab reaches the group at its chosen one, and an arrow chooses the next.
    await this.#reach(this.#page.locator("input[type=radio]:checked"));
    this.#did(name);
    await this.#press("ArrowDown");
    assert.ok(await radio.isChecked());
  }

  async type(label, text) {
    const field = this.#page.getByLabel(label, { exact: true });
    this.#did(label);
    if (this.#byMouse) {
      await field.click();
      await this.#page.keyboard.press("Control+a");
    } else {
      await this.#reach(field);
    }
    await this.#page.keyboard.type(text);
    assert.equal(await field.inputValue(), text);
  }

  /** Opens the system's dialog and picks the file there. */
  async file(label, path) {
    const field = this.#page.getByLabel(label, { exact: true });
    const chooser = this.#page.waitForEvent("filechooser");
    await this.#use(label, field, "Space");
    this.#did("the file");
    await (await chooser).setFiles(path);
  }

  async key(chord) {
    this.#did(chord);
    await this.#press(chord);
  }

  /** Holds the keys until they have repeated so often. */
  async hold(chord, times) {
    this.#did(`${chord} held`);
    this.keys += 1;
    const keys = chord.split("+");
    for (const key of keys) await this.#page.keyboard.down(key);
    for (let time = 1; time < times; time++) await this.#page.keyboard.down(keys.at(-1));
    for (const key of keys.reverse()) await this.#page.keyboard.up(key);
  }

  /** Clicks a point of the picture, in shares of it. */
  async clickAt([x, y], { width, height }) {
    const box = await this.#page.getByTestId("slots-canvas").boundingBox();
    const scale = Math.min(box.width / width, box.height / height);
    const left = box.x + (box.width - width * scale) / 2;
    const top = box.y + (box.height - height * scale) / 2;
    this.#did("a corner");
    await this.#page.mouse.click(left + x * width * scale, top + y * height * scale);
  }

  async #use(name, control, key = "Enter", way = "down") {
    this.#did(name);
    if (this.#byMouse) {
      await control.click();
      return;
    }
    await this.#reach(control, way === "up" ? "Shift+Tab" : "Tab");
    await this.#press(key);
  }

  /** Presses Tab until the control has the focus. */
  async #reach(control, tab = "Tab") {
    await control.first().waitFor();
    for (let tabs = 0; tabs < MOST_TABS; tabs++) {
      if (await control.first().evaluate((element) => element === document.activeElement)) return;
      await this.#press(tab);
    }
    assert.fail(`${control} is not reached by ${MOST_TABS} times ${tab}`);
  }

  async #press(chord) {
    this.keys += 1;
    await this.#page.keyboard.press(chord);
  }

  #did(what) {
    this.count += 1;
    this.log.push(what);
  }
}
