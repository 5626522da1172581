import { useSyncExternalStore } from "react";

import { currentLanguage, subscribeLanguage } from "./language";

export function useLanguage(): string {
  return useSyncExternalStore(subscribeLanguage, currentLanguage);
}
