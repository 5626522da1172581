/** What may be set when the page is built. */
interface ImportMetaEnv {
  readonly VITE_API_URL?: string;
}
