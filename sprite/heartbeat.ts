import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import { TimeGaps } from "./time-gaps.ts";
import type { Upstream } from "./upstream.ts";

/** Signs of life on all upstreams; and notices that there were none, because the process was stopped. */
export class Heartbeat {
  private readonly upstreams: ReadonlySet<Upstream>;
  private readonly log: Log;
  private gaps = new TimeGaps(LIMITS.upstreamSilenceMs);

  constructor(upstreams: ReadonlySet<Upstream>, log: Log) {
    this.upstreams = upstreams;
    this.log = log;
  }

  beat(): void {
    const now = Date.now();
    const gapMs = this.gaps.next(performance.now(), now);
    if (gapMs !== undefined) {
      // A pause cuts all connections, and nobody tells the process that it did.
      this.log.warn({ gapMs, upstreams: this.upstreams.size }, "was paused; closing what was open");
      for (const upstream of this.upstreams) upstream.terminate();
      return;
    }
    for (const upstream of this.upstreams) upstream.ping(now);
  }

  /** A time in which nobody was to be pinged is over. */
  renew(): void {
    this.gaps = new TimeGaps(LIMITS.upstreamSilenceMs);
  }
}
