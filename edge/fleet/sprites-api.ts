import { z } from "zod";
import { SpriteSyncError } from "../../shared/errors.ts";
import type { SpriteName } from "../../shared/sprite-name.ts";
import { spritesError } from "./sprites-errors.ts";
import type { SpritesAnswer, SpritesCall, SpritesHttp } from "./sprites-http.ts";
import { SPRITES_LIMITS } from "./sprites-limits.ts";
import { type CommandEnd, checkExit, checkStream, endsStream } from "./sprites-streams.ts";
import {
  type FlyService,
  type FlySprite,
  flySpriteSchema,
  type ListedSprite,
  serviceSchema,
  spritePageSchema,
} from "./sprites-types.ts";

/** A service as it is created. The names are the API's: `httpPort` would be ignored (facts/fly-sprites §3). */
export interface ServiceDefinition {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly needs: readonly string[];
  readonly http_port: number;
}

/** What lists say of the organization's plan. */
export interface RunningCount {
  readonly running: number | undefined;
  readonly limit: number | undefined;
}

/** The calls of the Sprites API that a fleet needs; one HTTP request each, without any retry. */
export interface SpritesApi {
  /** `undefined` on 404. That is no proof that there is none (facts/fly-sprites §8). */
  get(name: SpriteName): Promise<FlySprite | undefined>;
  create(name: SpriteName): Promise<FlySprite>;
  /** Asks for logging in at its address. */
  close(name: SpriteName): Promise<FlySprite>;
  /** Also resolves when there is none. */
  remove(name: SpriteName): Promise<void>;
  /** Sprites whose names begin so, page by page; the count comes with each page. */
  pages(
    prefix: string,
  ): AsyncGenerator<{ readonly sprites: readonly ListedSprite[]; readonly count: RunningCount }>;
  /** What the platform itself thinks of a Sprite's health, in its words. */
  check(name: SpriteName): Promise<string>;
  /** Ends all that it runs and boots it anew. */
  restart(name: SpriteName): Promise<void>;
  writeFile(name: SpriteName, path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Runs a shell script in `dir`. */
  run(name: SpriteName, script: string, dir: string): Promise<CommandEnd>;
  service(name: SpriteName): Promise<FlyService | undefined>;
  /** Creates or changes the service. @throws `transient` when its process ends while we watch. */
  putService(name: SpriteName, definition: ServiceDefinition): Promise<void>;
  restartService(name: SpriteName): Promise<void>;
  /** Also resolves when it does not run. */
  stopService(name: SpriteName): Promise<void>;
}

/** The one service of a Sprite. */
const SERVICE = "sprite-sync";

export function createSpritesApi(http: SpritesHttp): SpritesApi {
  async function call<T>(request: SpritesCall, schema: z.ZodType<T>): Promise<T> {
    return read(request, await succeed(request), schema);
  }
  /** @throws SpriteSyncError for every answer but a 2xx. */
  async function succeed(request: SpritesCall): Promise<SpritesAnswer> {
    const answer = await http.send(request);
    if (answer.status < 200 || answer.status > 299) throw spritesError(request.doing, answer, Date.now());
    return answer;
  }
  async function unless<T>(code: number, request: SpritesCall, schema: z.ZodType<T>): Promise<T | undefined> {
    const answer = await http.send(request);
    if (answer.status === code) return undefined;
    if (answer.status < 200 || answer.status > 299) throw spritesError(request.doing, answer, Date.now());
    return read(request, answer, schema);
  }
  const on = (name: SpriteName, doing: string, path = "") => ({
    doing: `${doing} ${name}`,
    path: `/${name}${path}`,
  });
  const seconds = `${SPRITES_LIMITS.serviceSeconds}s`;
  const follow = async (request: SpritesCall) => {
    const timeoutMs = SPRITES_LIMITS.callMs + SPRITES_LIMITS.serviceSeconds * 1_000;
    const query: [string, string][] = [["duration", seconds]];
    checkStream(request.doing, await succeed({ ...request, query, timeoutMs, isLast: endsStream }));
  };

  return {
    get: (name) => unless(404, { ...on(name, "show"), method: "GET" }, flySpriteSchema),
    create: (name) => {
      // Not `wait_for_capacity`: how long it waits is unknown, and our own waiting tells the operator about itself.
      const json = {
        name,
        url_settings: { auth: "sprite" },
        wait_for_capacity: false,
        labels: ["sprite-sync"],
      };
      const timeoutMs = SPRITES_LIMITS.createMs;
      return call({ doing: `create ${name}`, method: "POST", path: "", json, timeoutMs }, flySpriteSchema);
    },
    close: (name) => {
      const json = { url_settings: { auth: "sprite" } };
      return call({ ...on(name, "close the address of"), method: "PUT", json }, flySpriteSchema);
    },
    async remove(name) {
      await unless(404, { ...on(name, "delete"), method: "DELETE" }, z.unknown());
    },
    async *pages(prefix) {
      for (let token: string | undefined; ; ) {
        const query: [string, string][] = [
          ["prefix", prefix],
          ["max_results", String(SPRITES_LIMITS.listPage)],
        ];
        if (token) query.push(["continuation_token", token]);
        const page = await call({ doing: "list Sprites", method: "GET", path: "", query }, spritePageSchema);
        const running = page.running ?? page.org?.running ?? undefined;
        const limit = page.running_limit ?? page.org?.running_limit ?? undefined;
        yield { sprites: page.sprites, count: { running, limit } };
        token = (page.has_more && page.next_continuation_token) || undefined;
        if (!token) return;
      }
    },
    async check(name) {
      const health = z.object({ status: z.string().nullish(), reason: z.string().nullish() });
      const { status, reason } = await call({ ...on(name, "check", "/check"), method: "GET" }, health);
      return [status ?? "no status", reason].filter(Boolean).join(": ");
    },
    async restart(name) {
      await succeed({
        ...on(name, "restart", "/restart"),
        method: "POST",
        timeoutMs: SPRITES_LIMITS.installMs,
      });
    },
    async writeFile(name, path, bytes) {
      // The parameter that makes directories has one name in the documents and another in Fly's own client.
      const query: [string, string][] = [
        ["path", path],
        ["workingDir", "/"],
        ["mode", "0644"],
        ["mkdir", "true"],
        ["mkdirParents", "true"],
      ];
      const timeoutMs = SPRITES_LIMITS.installMs;
      await succeed({ ...on(name, "write a file in", "/fs/write"), method: "PUT", query, bytes, timeoutMs });
    },
    async run(name, script, dir) {
      const query: [string, string][] = [
        ["cmd", "sh"],
        ["cmd", "-c"],
        ["cmd", script],
        ["dir", dir],
      ];
      const timeoutMs = SPRITES_LIMITS.installMs;
      const request = { ...on(name, "run a script in", "/exec"), method: "POST", query, timeoutMs } as const;
      return checkExit(request.doing, (await succeed(request)).bytes);
    },
    service: (name) =>
      unless(
        404,
        { ...on(name, "show the service of", `/services/${SERVICE}`), method: "GET" },
        serviceSchema,
      ),
    putService: (name, json) =>
      follow({ ...on(name, "set the service of", `/services/${SERVICE}`), method: "PUT", json }),
    restartService: (name) =>
      follow({ ...on(name, "restart the service of", `/services/${SERVICE}/restart`), method: "POST" }),
    async stopService(name) {
      const request = {
        ...on(name, "stop the service of", `/services/${SERVICE}/stop`),
        method: "POST",
      } as const;
      const answer = await http.send({
        ...request,
        query: [["timeout", "10s"]],
        timeoutMs: SPRITES_LIMITS.installMs,
      });
      if (answer.status === 404 || answer.status === 409) return;
      if (answer.status < 200 || answer.status > 299) throw spritesError(request.doing, answer, Date.now());
    },
  };
}

/** The body of a successful answer. Gateways answer HTML and plain text, also with status 200: an answer of nobody. */
function read<T>({ doing }: SpritesCall, answer: SpritesAnswer, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(answer.body);
  if (parsed.success) return parsed.data;
  throw new SpriteSyncError(
    "transient",
    `${doing}: Sprites answered ${answer.status} with a body we cannot read`,
  );
}
