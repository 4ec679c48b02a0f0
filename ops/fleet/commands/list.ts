import { type Command, table } from "../command.ts";

export const list: Command = {
  usage: [
    [
      "list",
      "every Sprite: its group, where it is, what it does and runs; * = another image at its next wake",
    ],
  ],
  operands: [0, 0],
  options: {},
  async run(_operands, _options, { fleet }) {
    const sprites = await fleet.list();
    const rows = sprites.map((sprite) => {
      const { name, home, id, region, state, image } = sprite;
      return [name, home, id, region, state, `${image}${fleet.isOutdated?.(sprite) ? " *" : ""}`];
    });
    const heading = ["SPRITE", "GROUP", "ID", "REGION", "STATE", "IMAGE"];
    return { lines: [...table([heading, ...rows]), `${rows.length} Sprites`], json: sprites };
  },
};
