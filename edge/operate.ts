import { LRUCache } from "lru-cache";
import { z } from "zod";
import { SpriteSyncError } from "../shared/errors.ts";
import { asHome, type CoValueId, type GroupId, parseCoValueId } from "../shared/ids.ts";
import { PASS_HEADER, verifyOperatorPass } from "../shared/pass.ts";
import { logOptions, parseConfig } from "./config.ts";
import { Directory } from "./directory.ts";
import type { Env } from "./env.ts";
import type { SpriteRecord } from "./fleet/fleet.ts";
import { type IndexView, indexResidents } from "./indexing.ts";
import { workersLog } from "./log.ts";
import type { MoveCommand, MoveView } from "./move-gate.ts";
import { unwrapReply } from "./reply.ts";

/** A hold that nobody prolongs must end soon: the group is closed meanwhile. */
const LONGEST_HOLD_MS = 300_000;

const holder = z.string().min(8).max(64);
const disks = z.array(z.string().max(64)).max(16);
/** As many as a Sprite tells at once. */
const MOST_IDS = 1_000;
const indexSchema = z.object({ kind: z.literal("index"), ids: z.array(z.string()).max(MOST_IDS) });
const commandSchema = z.discriminatedUnion("kind", [
  indexSchema,
  z.object({ kind: z.literal("hold"), holder, ms: z.number().int().min(1).max(LONGEST_HOLD_MS) }),
  z.object({ kind: z.literal("without"), holder, disks }),
  z.object({
    kind: z.literal("switch"),
    holder,
    disks,
    sprite: z.looseObject({ name: z.string(), home: z.string(), id: z.string(), region: z.string() }),
    period: z.object({ number: z.number().int(), boot: z.string() }),
  }),
  z.object({ kind: z.literal("release"), holder }),
  z.object({ kind: z.literal("settled"), holder }),
]);

/**
 * `POST /operate/:groupId`: an operator's command to a group's coordinator, with a pass that `PASS_KEYS` signs.
 * @throws SpriteSyncError `bad-pass` before anything is touched; `bad-message`; what the coordinator refuses.
 */
export async function operate(request: Request, env: Env, groupId: string): Promise<MoveView | IndexView> {
  const id = parseCoValueId(groupId);
  if (!id)
    throw new SpriteSyncError("bad-message", "what follows /operate/ must be the id of a group (co_z…)");
  const home = asHome(id);
  await verifyOperatorPass(request.headers.get(PASS_HEADER) ?? "", home, parseConfig(env).PASS_KEYS);
  const parsed = commandSchema.safeParse(await request.json().catch(() => undefined));
  if (!parsed.success) throw new SpriteSyncError("bad-message", z.prettifyError(parsed.error));
  const command = parsed.data;
  if (command.kind === "index") {
    const log = workersLog(logOptions(parseConfig(env)));
    // What this isolate remembers may be of the directory that was lost.
    const cache = new LRUCache<CoValueId, GroupId>({ max: MOST_IDS });
    const shard = (name: string) => env.DIRECTORY.get(env.DIRECTORY.idFromName(name));
    return indexResidents(new Directory({ shard, log, cache }), command.ids, home);
  }
  if (command.kind === "switch" && command.sprite.home !== home)
    throw new SpriteSyncError("bad-message", "the Sprite is another group's");
  const coordinator = env.COORDINATOR.get(env.COORDINATOR.idFromName(home));
  return unwrapReply(await coordinator.move(command as unknown as MoveCommand & { sprite: SpriteRecord }));
}
