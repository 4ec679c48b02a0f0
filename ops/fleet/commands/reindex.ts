import type { SpriteRecord } from "../../../edge/fleet/fleet.ts";
import { toSpriteSyncError } from "../../../shared/errors.ts";
import type { Command, Tools } from "../command.ts";
import { indexResidents } from "../gate.ts";
import { residentsOf } from "../residents.ts";

/** At a plan's running cap a slot comes free when a Sprite that was asked before is paused, after 30 to 80 s. */
const SLOT_TRIES = 30;
const SLOT_PAUSE_MS = 5_000;

/** What became of one group. */
interface Outcome {
  readonly home: string;
  /** CoValues that the directory has in this group now. */
  readonly here: number;
  /** Ids that live here as the Sprite says, and elsewhere as the directory does. */
  readonly elsewhere: readonly string[];
  readonly error?: string;
}

export const reindex: Command = {
  usage: [
    [
      "reindex",
      "rebuilds the edge's directory, if it was lost: wakes every Sprite, one after the other, and enters what lives there",
    ],
  ],
  operands: [0, 0],
  options: {},
  async run(_operands, _options, { config, fleet, pause, say }) {
    const outcomes: Outcome[] = [];
    const sprites = await fleet.list();
    for (const sprite of sprites) {
      const { home } = sprite;
      let here = 0;
      const elsewhere: string[] = [];
      try {
        const address = fleet.address(await woken(sprite, fleet, pause));
        const reached = { ...address, headers: { ...address.headers, ...fleet.credentials(address) } };
        for await (const ids of residentsOf(reached, home, config.PASS_KEYS)) {
          const view = await indexResidents(home, ids, config.SYNC_URL, config.PASS_KEYS);
          here += view.here;
          elsewhere.push(...view.elsewhere);
        }
        outcomes.push({ home, here, elsewhere });
      } catch (thrown) {
        outcomes.push({ home, here, elsewhere, error: toSpriteSyncError(thrown, "transient").message });
      }
      say(`${outcomes.length} of ${sprites.length}: ${home}, ${here} CoValues`);
    }
    const failed = outcomes.filter(({ error }) => error !== undefined);
    const total = outcomes.reduce((sum, { here }) => sum + here, 0);
    return {
      lines: [
        `${total} CoValues of ${outcomes.length - failed.length} groups are in the directory`,
        ...outcomes.flatMap(({ home, elsewhere }) =>
          elsewhere.map((id) => `${id} lives in ${home}, and elsewhere as the directory has it: not changed`),
        ),
        ...failed.map(({ home, error }) => `${home}: ${error}; run it again`),
      ],
      json: outcomes,
      sound: failed.length === 0,
    };
  },
};

async function woken(
  sprite: SpriteRecord,
  fleet: Tools["fleet"],
  pause: Tools["pause"],
): Promise<SpriteRecord> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fleet.wake(sprite);
    } catch (thrown) {
      const error = toSpriteSyncError(thrown, "transient");
      if (error.code !== "capacity" || attempt === SLOT_TRIES) throw error;
      await pause(error.retryAfterMs ?? SLOT_PAUSE_MS);
    }
  }
}
