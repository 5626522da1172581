import { Component, type ReactNode } from "react";

interface Props {
  children: ReactNode;
}

/** Shows an error message if the page itself fails, instead of an empty page. */
export class ErrorBoundary extends Component<Props, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <main className="page">
        <section className="card notice" role="alert">
          <h1>This page failed</h1>
          <p>The lots themselves are not affected. Reload the page to continue.</p>
          <button
            type="button"
            className="button button-main"
            onClick={() => {
              window.location.reload();
            }}
          >
            Reload
          </button>
        </section>
      </main>
    );
  }
}
