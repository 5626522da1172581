import { Fragment, type ReactNode } from "react";

import { useLanguage } from "../shared/use-language";

/** Renders everything again in another language: what was put into words before is then said anew. */
export function Speaking({ children }: { children: ReactNode }) {
  return <Fragment key={useLanguage()}>{children}</Fragment>;
}
