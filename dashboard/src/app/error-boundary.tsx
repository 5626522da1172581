import { Component, type ReactNode } from "react";

interface Props {
  children: ReactNode;
}

/** A fault in the page itself: say so, rather than show an empty page. */
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
          <h1>This page has a fault</h1>
          <p>The lots themselves are not affected. Load the page again to go on.</p>
          <button
            type="button"
            className="button button-main"
            onClick={() => {
              window.location.reload();
            }}
          >
            Load again
          </button>
        </section>
      </main>
    );
  }
}
