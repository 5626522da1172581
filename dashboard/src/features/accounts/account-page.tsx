import { useState } from "react";

import { Fault } from "../../shared/fault";
import { signOut } from "../../shared/session";
import { useSession } from "../../shared/use-session";
import { changePassword, roleWords } from "./account-requests";
import "./accounts.css";
import { NewPasswordField, TextField } from "./text-field";
import { useSubmit } from "./use-submit";

/** The account of whoever signed in. */
export function AccountPage() {
  const session = useSession();
  if (session.phase !== "signed-in") {
    return (
      <section className="card notice">
        <h1>Your account</h1>
        <p>Sign-in is off on this server, so there are no accounts.</p>
      </section>
    );
  }
  return (
    <div className="accounts">
      <section className="card accounts-part">
        <h1>Your account</h1>
        <p>
          You are signed in as <strong>{session.name}</strong>: {roleWords(session.roles)}.
        </p>
        <button type="button" className="button" onClick={() => void signOut()}>
          Sign out
        </button>
      </section>
      <PasswordForm />
    </div>
  );
}

function PasswordForm() {
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const [saved, setSaved] = useState(false);
  const { busy, fault, run } = useSubmit();
  return (
    <form
      className="card accounts-part"
      aria-labelledby="password-title"
      onSubmit={(event) => {
        event.preventDefault();
        setSaved(false);
        run(
          () => changePassword(old, next),
          () => {
            setSaved(true);
            setOld("");
            setNext("");
          },
        );
      }}
    >
      <h2 id="password-title">Change the password</h2>
      <TextField
        label="Present password"
        type="password"
        autoComplete="current-password"
        value={old}
        onValue={setOld}
      />
      <NewPasswordField label="New password" value={next} onValue={setNext} />
      <Fault words={fault} />
      <button type="submit" className="button" aria-disabled={busy}>
        Change the password
      </button>
      <p className="small muted" role="status">
        {saved && "Changed. You were signed out everywhere else."}
      </p>
    </form>
  );
}
