// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { linkToken, roleWords, withRole } from "./account-requests";
import { AccountRow } from "./account-row";
import { AuditPage } from "./audit-page";
import { SetupForm, SignInForm } from "./entrance-forms";

interface Sent {
  url: string;
  method: string;
  headers: Record<string, string>;
  body: unknown;
}

let sent: Sent[] = [];
let answers: Response[] = [];
const original = globalThis.fetch;

function answer(body: unknown, status = 200): void {
  answers.push(new Response(JSON.stringify(body), { status }));
}

beforeEach(() => {
  sent = [];
  answers = [];
  globalThis.fetch = (url, init) => {
    sent.push({
      url: url as string,
      method: init?.method ?? "GET",
      headers: (init?.headers ?? {}) as Record<string, string>,
      body: init?.body ? (JSON.parse(init.body as string) as unknown) : null,
    });
    return Promise.resolve(answers.shift() ?? new Response("{}", { status: 500 }));
  };
});

afterEach(() => {
  cleanup();
  globalThis.fetch = original;
});

function fill(label: string | RegExp, value: string): void {
  fireEvent.change(screen.getByLabelText(label), { target: { value } });
}

describe("SignInForm", () => {
  it("sends the name and the password with the page's own header, and no key", async () => {
    let done = 0;
    answer({ name: "ann" });
    render(<SignInForm onDone={() => (done += 1)} />);
    fill("Name", "ann");
    fill("Password", "correct horse battery");
    await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
    expect(done).toBe(1);
    expect(sent[0]?.url).toBe("/api/sign-in");
    expect(sent[0]?.body).toEqual({ name: "ann", password: "correct horse battery" });
    expect(sent[0]?.headers["X-Requested-With"]).toBe("page");
    expect(sent[0]?.headers).not.toHaveProperty("Authorization");
  });

  it("shows why it was refused, and stays", async () => {
    let done = 0;
    answer({ error: "wrong-password", detail: "the name or the password is wrong" }, 401);
    render(<SignInForm onDone={() => (done += 1)} />);
    fill("Name", "ann");
    fill("Password", "wrong");
    await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
    expect((await screen.findByRole("alert")).textContent).toBe("the name or the password is wrong");
    expect(done).toBe(0);
  });
});

describe("the provider's button", () => {
  it("is there only where a provider is set up, and says why the last try failed", () => {
    const { rerender } = render(<SignInForm onDone={() => undefined} />);
    expect(screen.queryByRole("button", { name: /Sign in with/ })).toBeNull();
    rerender(<SignInForm provider="Work" fault="nobody invited you" onDone={() => undefined} />);
    expect(screen.getByRole("button", { name: "Sign in with Work" })).toBeTruthy();
    expect(screen.getByRole("alert").textContent).toBe("nobody invited you");
  });

  it("goes to the provider, and says it if that is away", async () => {
    answer({ error: "no-provider", detail: "Work cannot sign anybody in now." }, 503);
    render(<SignInForm provider="Work" onDone={() => undefined} />);
    await userEvent.click(screen.getByRole("button", { name: "Sign in with Work" }));
    expect((await screen.findByRole("alert")).textContent).toBe("Work cannot sign anybody in now.");
    expect(sent[0]?.url).toBe("/api/sign-in/oidc");
    answer({ address: "#/at-the-provider" });
    await userEvent.click(screen.getByRole("button", { name: "Sign in with Work" }));
    await waitFor(() => {
      expect(window.location.hash).toBe("#/at-the-provider");
    });
    window.location.hash = "";
  });
});

describe("AccountRow", () => {
  const account = { name: "ann", roles: {}, invited: true, linked: true, created_at_ms: 0 };
  const row = (linked: boolean) => (
    <AccountRow
      account={{ ...account, linked }}
      onChange={() => Promise.resolve()}
      onLink={(link) => (links = [...links, link.token])}
    />
  );
  let links: string[] = [];

  it("says how the account signs in, and creates a reset link", async () => {
    const { rerender } = render(row(false));
    expect(screen.getByText(/has not signed in yet/)).toBeTruthy();
    expect(screen.getByRole("button", { name: /^New invitation/ })).toBeTruthy();
    rerender(row(true));
    expect(screen.queryByText(/has not signed in yet/)).toBeNull();
    expect(screen.getByText(/signs in with OpenID Connect/)).toBeTruthy();
    answer({ name: "ann", token: "t", expires_at_ms: 1 }, 201);
    await userEvent.click(screen.getByRole("button", { name: /^Reset link/ }));
    await waitFor(() => {
      expect(links).toEqual(["t"]);
    });
    expect(sent[0]?.url).toBe("/api/accounts/ann/reset");
  });
});

describe("SetupForm", () => {
  it("creates the administrator with the code", async () => {
    answer({ name: "ann" });
    render(<SetupForm onDone={() => undefined} />);
    fill(/^Setup code/, "the-code");
    fill("Your name", "ann");
    fill(/^Password/, "correct horse battery");
    await userEvent.click(screen.getByRole("button", { name: "Create" }));
    expect(sent[0]?.body).toEqual({ name: "ann", password: "correct horse battery", code: "the-code" });
  });
});

describe("AuditPage", () => {
  const entry = (id: number) => ({
    id,
    time_ms: 1_700_000_000_000,
    who: `ann-${id}`,
    what: "close slot",
    site_id: "demo",
    target: "sites/demo/slots/A01/close",
    address: "192.0.2.7",
  });

  it("reads older entries after the last one", async () => {
    answer(Array.from({ length: 100 }, (_, index) => entry(200 - index)));
    answer([entry(1)]);
    render(<AuditPage />);
    await userEvent.click(await screen.findByRole("button", { name: "Older entries" }));
    expect(await screen.findByText("ann-1")).toBeTruthy();
    expect(sent[1]?.url).toBe("/api/audit?limit=100&before=101");
    expect(screen.queryByRole("button", { name: "Older entries" })).toBeNull();
  });
});

describe("roles and links", () => {
  it("are shown and changed by site", () => {
    expect(roleWords({ "*": "viewer", demo: "admin" })).toBe("viewer of all lots, admin of demo");
    expect(withRole({ demo: "viewer" }, "demo", "admin")).toEqual({ demo: "admin" });
    expect(withRole({ demo: "viewer" }, "demo", null)).toEqual({});
  });

  it("takes only a whole token from the address", () => {
    const token = "a".repeat(43);
    expect(linkToken(`#/link/${token}`)).toBe(token);
    expect(linkToken("#/link/history")).toBe("");
    expect(linkToken(`#/demo/${token}`)).toBe("");
  });
});
