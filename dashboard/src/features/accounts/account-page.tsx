import { useState } from "react";

import { Fault } from "../../shared/fault";
import { say } from "../../shared/language";
import { Rich } from "../../shared/rich";
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
        <h1>{say("page.account")}</h1>
        <p>{say("account.off")}</p>
      </section>
    );
  }
  return (
    <div className="accounts">
      <section className="card accounts-part">
        <h1>{say("page.account")}</h1>
        <p>
          <Rich
            message="account.signedIn"
            parts={{ name: <strong>{session.name}</strong> }}
            values={{ roles: roleWords(session.roles) }}
          />
        </p>
        <button type="button" className="button" onClick={() => void signOut()}>
          {say("account.signOut")}
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
      <h2 id="password-title">{say("password.change")}</h2>
      <TextField
        label={say("password.present")}
        type="password"
        autoComplete="current-password"
        value={old}
        onValue={setOld}
      />
      <NewPasswordField label={say("password.new")} value={next} onValue={setNext} />
      <Fault words={fault} />
      <button type="submit" className="button" aria-disabled={busy}>
        {say("password.change")}
      </button>
      <p className="small muted" role="status">
        {saved && say("password.changed")}
      </p>
    </form>
  );
}
