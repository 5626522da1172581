import { say } from "../shared/language";
import { pageAddress } from "../shared/routes";
import { signOut } from "../shared/session";
import { useSession } from "../shared/use-session";

/** Shows who is signed in, and lets them sign out. */
export function AccountMenu({ siteId }: { siteId: string | undefined }) {
  const session = useSession();
  if (session.phase !== "signed-in") return null;
  return (
    <div className="account-menu">
      <a href={pageAddress(siteId ?? "", "account")} title={say("page.account")}>
        <span className="visually-hidden">{say("page.account")}: </span>
        {session.name}
      </a>
      <button type="button" className="link" onClick={() => void signOut()}>
        {say("account.signOut")}
      </button>
    </div>
  );
}
