import { describe, expect, it } from "vitest";

import { whyWords } from "./slot-words";

describe("whyWords", () => {
  it("names the person and their reason, if they gave one", () => {
    const closed = { state: "closed", issued_by: "front-desk" } as const;
    expect(whyWords({ ...closed, reason: "closed" })).toBe("Closed by front-desk");
    expect(whyWords({ ...closed, reason: "being painted" })).toBe("Being painted (closed by front-desk)");
    expect(whyWords({ state: "free", reason: "seen on site", issued_by: "ops" })).toBe(
      "Seen on site (corrected by ops)",
    );
    expect(whyWords({ state: "unknown", reason: "opened", issued_by: "ops" })).toBe("Reopened by ops");
  });

  it("gives only the reason if nobody decided it, or an older server does not say who", () => {
    expect(whyWords({ state: "closed", reason: "being painted" })).toBe("Being painted");
    expect(whyWords({ state: "unknown", reason: "silent", issued_by: null })).toBe(
      "The camera stopped sending",
    );
  });
});
