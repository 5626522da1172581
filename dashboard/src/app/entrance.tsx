import { useSyncExternalStore } from "react";

import { linkToken } from "../features/accounts/account-requests";
import { LinkForm, SetupByCommand, SetupForm, SignInForm } from "../features/accounts/entrance-forms";
import { say } from "../shared/language";
import { session } from "../shared/session";
import { useSession } from "../shared/use-session";
import { App } from "./app";
import { Footer } from "./footer";
import { subscribe } from "./use-route";

/** Shows the page, or the sign-in form first. The address stays the same, so people return to where
 * they were. */
export function Entrance() {
  const state = useSession();
  const token = useSyncExternalStore(subscribe, () => linkToken(window.location.hash));
  if (token && state.phase !== "open") {
    return (
      <Frame>
        <LinkForm
          token={token}
          onDone={() => {
            window.location.hash = "#/";
            window.location.reload(); // whoever was signed in before is now signed out
          }}
        />
      </Frame>
    );
  }
  if (state.phase === "open" || state.phase === "signed-in") return <App />;
  if (state.phase === "loading") return <Frame>{state.fault && <Waiting fault={state.fault} />}</Frame>;
  const done = () => void session.load();
  return (
    <Frame>
      {state.setup === "command" && <SetupByCommand />}
      {state.setup === "code" && <SetupForm onDone={done} />}
      {state.setup === null && <SignInForm provider={state.provider} fault={state.fault} onDone={done} />}
    </Frame>
  );
}

function Frame({ children }: { children: React.ReactNode }) {
  return (
    <>
      <header className="topbar">
        <span className="brand">
          <img src="/favicon.svg" alt="" width="28" height="28" />
          <span>Smart Parking</span>
        </span>
      </header>
      <main className="page">{children}</main>
      <Footer />
    </>
  );
}

function Waiting({ fault }: { fault: string }) {
  return (
    <section className="card notice" role="status">
      <h1>{say("waiting.title")}</h1>
      <p>{fault}</p>
      <p className="muted">{say("waiting.todo")}</p>
    </section>
  );
}
