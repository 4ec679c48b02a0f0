import { compactStore } from "../compact.ts";
import { type Command, requireDirectory } from "./command.ts";

export const compact: Command = {
  usage: [["compact <directory>", "erases what is deleted and gives the disk space of all garbage back"]],
  operands: [1, 1],
  options: {},
  async run([directory = ""]) {
    requireDirectory(directory);
    const report = await compactStore(directory);
    const { erased, damaged, bytesBefore, bytesAfter } = report;
    const lines = [
      `${erased} deleted CoValues erased; ${bytesBefore} bytes before, ${bytesAfter} now`,
      ...damaged.map((id) => `${id} is deleted and damaged; it could not be erased`),
    ];
    return { lines, json: report, sound: damaged.length === 0 };
  },
};
