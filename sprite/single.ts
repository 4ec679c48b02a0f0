import { defineCommand, oneOf, wholeNumber } from "../cli/command.ts";
import { main } from "../cli/main.ts";

const NAME = "single";

const single = defineCommand({
  name: NAME,
  about: "Runs the same server for all groups in one process, without edge and sleep.",
  options: {
    port: {
      type: "string",
      default: "4200",
      value: "N",
      about: "port that browsers connect to; 0 takes a free one",
    },
    host: { type: "string", default: "127.0.0.1", value: "ADDRESS", about: "address that it listens on" },
    data: {
      type: "string",
      default: "./data/single",
      value: "DIR",
      about: "where everything is kept; survives restarts",
    },
    durability: {
      type: "string",
      default: "fsync",
      value: "LEVEL",
      about: "what an acknowledgement survives: fsync (a power cut) or flush (a killed process)",
    },
  },
  async run({ port, host, data, durability }) {
    const place = {
      port: wholeNumber(NAME, "port", port, { most: 65_535 }),
      host,
      data,
      durability: oneOf(NAME, "durability", durability, ["fsync", "flush"] as const),
    };
    // Native parts load only now: without a library of the system they cannot.
    const { serveAllGroups } = await import("./all-groups.ts");
    await serveAllGroups(place);
    return undefined;
  },
});

void main(single);
