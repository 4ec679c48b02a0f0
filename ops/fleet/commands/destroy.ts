import { SpriteSyncError } from "../../../shared/errors.ts";
import type { Command } from "../command.ts";
import { parseHome } from "../home.ts";

export const destroy: Command = {
  usage: [
    [
      "destroy <group> [--yes]",
      "removes a group's Sprite and its disk for ever; without --yes it only says what that is",
    ],
  ],
  operands: [1, 1],
  options: { yes: { type: "boolean" } },
  async run([group = ""], options, { config, fleet }) {
    const home = parseHome(group);
    const sprite = await fleet.find(home);
    if (!sprite)
      throw new SpriteSyncError(
        "gone",
        `${home} has no Sprite; of Fly Machines, \`orphans\` shows disks without one`,
      );
    const kind = config.FLEET === "machines" ? "Machine" : "Sprite";
    const what = `${kind} ${sprite.id} in ${sprite.region || "its region"} (${sprite.state}) and its disk`;
    if (options.yes !== true) {
      return { lines: [`would remove ${what}; with --yes it does`], json: { sprite, destroyed: false } };
    }
    await fleet.destroy(sprite);
    return { lines: [`removed ${what}`], json: { sprite, destroyed: true } };
  },
};
