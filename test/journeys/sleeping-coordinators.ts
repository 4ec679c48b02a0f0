import type { Env } from "../../edge/env.ts";
import { Coordinator as PlainCoordinator } from "../../edge/worker.ts";

// All of them, but for what is exported below under the same name.
export * from "../../edge/worker.ts";

/** Coordinators as they are; each says when it is constructed. */
export class Coordinator extends PlainCoordinator {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    console.log(`constructed ${ctx.id.name}`);
  }
}

/** Lets a test watch a coordinator, and report awake periods to it, as sessions do. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const home = url.searchParams.get("home") ?? "";
    const coordinator = env.COORDINATOR.get(env.COORDINATOR.idFromName(home));
    if (url.pathname !== "/met") return coordinator.fetch(request);
    const number = Number(url.searchParams.get("number"));
    await coordinator.met({ number, boot: `b${number}` });
    return new Response("met");
  },
};
