// Something asked of the server: what came, what went wrong, and whether it is still under way.

/** The newest question wins: an older one is cancelled, and its answer never shown. */
export class Resource<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<unknown>(null);
  loading = $state(false);
  private controller: AbortController | null = null;

  async load(ask: (signal: AbortSignal) => Promise<T>): Promise<void> {
    this.controller?.abort();
    const controller = new AbortController();
    this.controller = controller;
    this.loading = true;
    try {
      const value = await ask(controller.signal);
      if (controller.signal.aborted) return;
      this.value = value;
      this.error = null;
    } catch (error) {
      if (controller.signal.aborted) return;
      this.error = error;
      this.value = null;
    }
    this.loading = false;
  }
}
