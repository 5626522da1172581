/** The forms shown before anything else: sign in, create the administrator, set a password by link. */
import { useState, type ReactNode } from "react";

import { Fault } from "../../shared/fault";
import { say } from "../../shared/language";
import { goToProvider } from "../../shared/provider";
import { useTitle } from "../../shared/use-title";
import { createAdministrator, setPassword, signIn } from "./account-requests";
import "./accounts.css";
import { NewPasswordField, TextField } from "./text-field";
import { useSubmit } from "./use-submit";

interface FormProps {
  title: string;
  action: string;
  request: () => Promise<unknown>;
  onDone: () => void;
  children: ReactNode;
  /** Another way in, below the button. */
  other?: ReactNode;
}

function EntranceForm({ title, action, request, onDone, children, other }: FormProps) {
  const { busy, fault, run } = useSubmit();
  useTitle(title);
  return (
    <form
      className="card notice"
      onSubmit={(event) => {
        event.preventDefault();
        run(request, onDone);
      }}
    >
      <h1>{title}</h1>
      {children}
      <Fault words={fault} />
      <button type="submit" className="button button-main" aria-disabled={busy}>
        {action}
      </button>
      {other}
    </form>
  );
}

interface Props {
  /** Called once the browser has the cookie. */
  onDone: () => void;
}

interface SignInProps extends Props {
  /** The name of the provider that signs people in, too. */
  provider?: string | undefined;
  /** Why the provider's answer was refused. */
  fault?: string | undefined;
}

export function SignInForm({ onDone, provider, fault }: SignInProps) {
  const [name, setName] = useState("");
  const [password, setPasswordText] = useState("");
  return (
    <EntranceForm
      title={say("signIn")}
      action={say("signIn")}
      request={() => signIn(name, password)}
      onDone={onDone}
      other={provider && <ProviderButton provider={provider} before={fault ?? null} />}
    >
      <TextField label={say("account.name")} autoComplete="username" value={name} onValue={setName} />
      <TextField
        label={say("password")}
        type="password"
        autoComplete="current-password"
        value={password}
        onValue={setPasswordText}
      />
      <p className="muted small">{say("signIn.forgotten")}</p>
    </EntranceForm>
  );
}

/** `before`: why the last try failed, before the page was loaded again. */
function ProviderButton({ provider, before }: { provider: string; before: string | null }) {
  const { busy, fault, run } = useSubmit();
  return (
    <div className="accounts-provider">
      <Fault words={busy ? null : (fault ?? before)} />
      <button
        type="button"
        className="button"
        aria-disabled={busy}
        onClick={() => {
          run(goToProvider);
        }}
      >
        {say("signIn.with", { provider })}
      </button>
    </div>
  );
}

export function SetupForm({ onDone }: Props) {
  const [code, setCode] = useState("");
  const [name, setName] = useState("");
  const [password, setPasswordText] = useState("");
  return (
    <EntranceForm
      title={say("setup.title")}
      action={say("setup.create")}
      request={() => createAdministrator(name, password, code)}
      onDone={onDone}
    >
      <p>{say("setup.what")}</p>
      <TextField
        label={say("setup.code")}
        autoComplete="off"
        hint={say("setup.codeHint")}
        value={code}
        onValue={setCode}
      />
      <TextField label={say("setup.name")} autoComplete="username" value={name} onValue={setName} />
      <NewPasswordField label={say("password")} value={password} onValue={setPasswordText} />
    </EntranceForm>
  );
}

/** There is no account, and no setup code to create one with. */
export function SetupByCommand() {
  useTitle(say("setup.title"));
  return (
    <section className="card notice">
      <h1>{say("setup.title")}</h1>
      <p>{say("setup.run")}</p>
      <pre className="secret">{"parking accounts add NAME admin"}</pre>
      <p>{say("setup.reload")}</p>
    </section>
  );
}

export function LinkForm({ token, onDone }: Props & { token: string }) {
  const [password, setPasswordText] = useState("");
  return (
    <EntranceForm
      title={say("link.title")}
      action={say("link.save")}
      request={() => setPassword(token, password)}
      onDone={onDone}
    >
      <p>{say("link.what")}</p>
      <NewPasswordField label={say("password.new")} value={password} onValue={setPasswordText} />
    </EntranceForm>
  );
}
