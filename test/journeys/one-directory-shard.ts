import type { Env } from "../../edge/env.ts";
import edge, { DirectoryShard as PlainShard } from "../../edge/worker.ts";

// All of them, but for what is exported below under the same name.
export * from "../../edge/worker.ts";

/** The directory's shards as they are; each says when it is constructed. */
export class DirectoryShard extends PlainShard {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    console.log(`constructed ${ctx.id.name}`);
  }
}

/** The edge; and a test may talk to one shard as sessions do: `/want` opens a socket, `/lookup` and `/register` name one id. */
export default {
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const shard = env.DIRECTORY.get(env.DIRECTORY.idFromName(searchParams.get("shard") ?? ""));
    const id = searchParams.get("id") ?? "";
    switch (pathname) {
      case "/want":
        return shard.fetch(request);
      case "/lookup":
        return Response.json(await shard.lookup([id]));
      case "/register":
        return Response.json(await shard.register({ [id]: id }));
      default:
        return edge.fetch(request, env, context);
    }
  },
};
