import { useEffect, useState } from "react";

/** The address of a picture in this page; it is given back when another one comes. */
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
