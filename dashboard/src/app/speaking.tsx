import { Fragment, type ReactNode } from "react";

import { useLanguage } from "../shared/use-language";

/** Renders everything again when the language changes, so that all texts are in the new one. */
export function Speaking({ children }: { children: ReactNode }) {
  return <Fragment key={useLanguage()}>{children}</Fragment>;
}
