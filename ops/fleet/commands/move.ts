import { moveMachine } from "../../../edge/fleet/machines-move.ts";
import { machinesSettings } from "../../../edge/sprite-settings.ts";
import { SpriteSyncError } from "../../../shared/errors.ts";
import type { Command } from "../command.ts";
import { openGate } from "../gate.ts";
import { greetSprite } from "../greet.ts";
import { parseHome } from "../home.ts";

export const move: Command = {
  usage: [
    [
      "move <group> <region>",
      "moves a group to another region; its clients wait meanwhile, and lose nothing",
    ],
  ],
  operands: [2, 2],
  options: {},
  async run([group = "", region = ""], _options, { machines, fleet, pause, say, log }) {
    const home = parseHome(group);
    const { config, api } = machines();
    if (!config.SPRITE_REGIONS.includes(region)) {
      const allowed = config.SPRITE_REGIONS.join(", ");
      throw new SpriteSyncError(
        "config-invalid",
        `${region} is not among SPRITE_REGIONS (${allowed}); add it there first`,
      );
    }
    const settings = machinesSettings(config);
    const moved = await moveMachine(home, region, {
      api,
      shape: settings,
      spriteEnv: settings.spriteEnv,
      address: (sprite) => fleet.address(sprite),
      gate: openGate(home, config.SYNC_URL, config.PASS_KEYS),
      greet: (address) => greetSprite(address, home, config.PASS_KEYS),
      pause,
      onStep: (step, detail) => say(`${step} ${detail}`.trimEnd()),
      log,
    });
    const { sprite, from } = moved;
    return { lines: [`${home} moved from ${from} to ${sprite.region}, Machine ${sprite.id}`], json: moved };
  },
};
