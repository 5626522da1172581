/** The forms shown before anything else: sign in, create the administrator, set a password by link. */
import { useState, type ReactNode } from "react";

import { Fault } from "../../shared/fault";
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
      title="Sign in"
      action="Sign in"
      request={() => signIn(name, password)}
      onDone={onDone}
      other={provider && <ProviderButton provider={provider} before={fault ?? null} />}
    >
      <TextField label="Name" autoComplete="username" value={name} onValue={setName} />
      <TextField
        label="Password"
        type="password"
        autoComplete="current-password"
        value={password}
        onValue={setPasswordText}
      />
      <p className="muted small">Forgotten? An administrator can send you a link to set a new password.</p>
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
        Sign in with {provider}
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
      title="Create the administrator"
      action="Create"
      request={() => createAdministrator(name, password, code)}
      onDone={onDone}
    >
      <p>Nobody has an account yet. The first one manages all lots and invites others.</p>
      <TextField
        label="Setup code"
        autoComplete="off"
        hint="It was shown when the system started, or it is in the file SETUP_CODE_FILE."
        value={code}
        onValue={setCode}
      />
      <TextField label="Your name" autoComplete="username" value={name} onValue={setName} />
      <NewPasswordField label="Password" value={password} onValue={setPasswordText} />
    </EntranceForm>
  );
}

/** There is no account, and no setup code to create one with. */
export function SetupByCommand() {
  useTitle("Create the administrator");
  return (
    <section className="card notice">
      <h1>Create the administrator</h1>
      <p>Nobody has an account yet. On the server, run:</p>
      <pre className="secret">parking accounts add NAME admin</pre>
      <p>Then load this page again.</p>
    </section>
  );
}

export function LinkForm({ token, onDone }: Props & { token: string }) {
  const [password, setPasswordText] = useState("");
  return (
    <EntranceForm
      title="Choose your password"
      action="Save and sign in"
      request={() => setPassword(token, password)}
      onDone={onDone}
    >
      <p>This link works once. Afterwards you sign in with your name and this password.</p>
      <NewPasswordField label="New password" value={password} onValue={setPasswordText} />
    </EntranceForm>
  );
}
