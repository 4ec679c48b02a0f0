import { DRAIN_KEY } from "../../edge/drain.ts";
import type { Env } from "../../edge/env.ts";
import edge from "../../edge/worker.ts";
import { LIMITS } from "../../shared/limits.ts";

export * from "../../edge/worker.ts";

// A test waits seconds for what takes minutes.
Object.assign(LIMITS, { pingIntervalMs: 1_000, drainReadMs: 500 });

/** The edge, and two things that a test does with it: `/drain?note=…` as the operator would, `/invocation?cpuMs=…`. */
export default {
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/drain") await env.ADDRESSES.put(DRAIN_KEY, searchParams.get("note") ?? "");
    else if (pathname === "/invocation")
      Object.assign(LIMITS, { invocationCpuMs: Number(searchParams.get("cpuMs")) });
    else return edge.fetch(request, env, context);
    return new Response("done");
  },
};
