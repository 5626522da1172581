import { useEffect, useState } from "react";

/** The object URL of a picture. It is revoked when another picture replaces it. */
export function useObjectUrl(): [string | null, (picture: Blob | null) => void] {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(
    () => () => {
      if (url) URL.revokeObjectURL(url);
    },
    [url],
  );
  return [
    url,
    (picture) => {
      setUrl(picture && URL.createObjectURL(picture));
    },
  ];
}
