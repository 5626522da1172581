import { say } from "../shared/language";
import { pageAddress } from "../shared/routes";
import { useSession } from "../shared/use-session";
import { PAGES } from "./pages";

interface Props {
  /** The chosen lot; undefined if there is none. */
  siteId: string | undefined;
  /** The name of the page on screen; null if it is not in the navigation. */
  current: string | null;
}

/** Links to the pages of the chosen lot. Without a lot, only to those that need none. */
export function Navigation({ siteId, current }: Props) {
  const session = useSession();
  const pages = PAGES.filter(
    (page) => (siteId !== undefined || !page.needsSite) && (page.isLinked?.(session) ?? true),
  );
  if (!pages.length) return null;
  return (
    <nav className="navigation" aria-label={say("navigation.label")}>
      <ul>
        {pages.map(({ name, title }) => (
          <li key={name}>
            <a href={pageAddress(siteId ?? "", name)} aria-current={name === current ? "page" : undefined}>
              {say(title)}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
