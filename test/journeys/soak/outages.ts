import type { SocketEnd } from "../../support/watched-sockets.ts";

/** By then every client has tried again; cojson-transport-ws waits a little longer with each failure. */
const RECONNECTED_MS = 4_000;

/** When the edge was away: the only reason for which a client's socket may end. */
export class Outages {
  readonly #spans: { readonly begun: number; ended: number }[] = [];
  readonly #unexplained: string[] = [];
  #explained = 0;

  /** Whether clients may still be without a connection because of one. */
  get recent(): boolean {
    return this.touched(performance.now());
  }

  /** Whether one has disturbed what began at `since` (`performance.now()`) and goes on. */
  touched(since: number): boolean {
    return since - (this.#spans.at(-1)?.ended ?? Number.NEGATIVE_INFINITY) < RECONNECTED_MS;
  }

  async during(work: () => Promise<void>): Promise<void> {
    const span = { begun: performance.now(), ended: Number.POSITIVE_INFINITY };
    this.#spans.push(span);
    await work();
    span.ended = performance.now();
  }

  /** A client's socket ended without the client's doing. */
  ended(client: string, { wasOpen, gaveUp, code, begunAt, endedAt }: SocketEnd): void {
    if (this.#spans.some(({ begun, ended }) => begun <= endedAt && begunAt <= ended)) {
      this.#explained++;
      return;
    }
    const why = gaveUp ? "given up by the client, which heard no ping" : `closed with ${code}`;
    const seconds = ((endedAt - begunAt) / 1_000).toFixed(1);
    this.#unexplained.push(
      `${client}: a socket that was ${wasOpen ? "open" : "refused"}, ${why}, after ${seconds} s`,
    );
  }

  /** Ends of sockets while the edge was away. */
  get explained(): number {
    return this.#explained;
  }

  /** Ends of sockets that nothing explains: there must be none. */
  get unexplained(): readonly string[] {
    return this.#unexplained;
  }
}
