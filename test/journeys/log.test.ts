import { expect, onTestFinished, test } from "vitest";
import { StackLog } from "../../dev/stack-log.ts";
import type { Log, LogFields } from "../../shared/log.ts";
import { startClient } from "../support/client.ts";
import { startTestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire } from "../support/wire.ts";

interface Line {
  readonly level: keyof Log;
  readonly fields: LogFields;
  readonly message: string;
}

/** A stack whose log is kept as `npm run dev -- --verbose` shows it. */
async function loggedStack(verbose: boolean) {
  const lines: Line[] = [];
  const write = (level: keyof Log) => (fields: LogFields, message: string) =>
    void lines.push({ level, fields, message });
  const log: Log = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
  const stackLog = new StackLog(log, verbose);
  const stack = await startTestStack({
    sleepAfter: 1,
    onMachine: (change) => stackLog.machine(change),
    onSpriteLine: (sprite, line) => stackLog.sprite(sprite, line),
    onEdgeLine: (line, isError) => stackLog.edge(line, isError),
  });
  onTestFinished(() => stack.close());
  const writer = await startClient(stack.syncUrl);
  const group = writer.node.createGroup();
  group.addMember("everyone", "reader");
  await writer.synced();
  await writer.close();
  await stack.allAsleep();
  return { stack, lines, home: group.id };
}

test("one session id leads through the lines of the edge, the coordinator and the Sprite", async () => {
  const { stack, lines, home } = await loggedStack(true);
  const from = lines.length;
  const wire = await openWire(stack.syncUrl);
  wire.send({ action: "load", id: home, header: false, sessions: {} });
  await wire.next(({ id }) => id === home, "the group");
  await wire.close();
  const fieldsOf = (message: string) => lines.slice(from).find((line) => line.message === message)?.fields;
  const ended = await until(() => fieldsOf("edge: session ended"), { what: "the end of the session" });
  const session = expect.stringMatching(/^[0-9a-f-]{36}$/);
  expect(ended).toMatchObject({ session });
  expect(fieldsOf("edge: a new awake period")).toMatchObject({ home, session: ended.session });
  expect(fieldsOf("Sprite: upstream opened")).toMatchObject({ session: ended.session });
  const founding = lines.slice(0, from).filter(({ message }) => message === "edge: Sprite woken");
  expect(founding.length).toBeGreaterThan(0);
  for (const { fields } of founding) expect(fields).toMatchObject({ session });
});

test("a Sprite is called awake once it listens, and no line is JSON inside of text", async () => {
  const { lines, home } = await loggedStack(true);
  const said = lines.map(({ message }) => message).filter((message) => message.includes(home));
  const words = said.map((message) => message.split(": ")[1]?.replace(", as asked", ""));
  expect(words.filter((word) => word !== "created")).toEqual(["waking", "awake", "asleep"]);
  const { sprite } =
    lines.find(({ fields, message }) => message === "edge: Sprite woken" && fields.home === home)?.fields ??
    {};
  const at = (wanted: (line: Line) => boolean) => lines.findIndex(wanted);
  const listens = at(({ message, fields }) => message === "Sprite: listening" && fields.sprite === sprite);
  expect(listens).toBeGreaterThan(at(({ message }) => message.startsWith(`Sprite of ${home}: waking`)));
  expect(at(({ message }) => message === `Sprite of ${home}: awake`)).toBe(listens + 1);
  expect(lines.filter(({ message }) => message.includes("{"))).toEqual([]);
});

test("without --verbose a Sprite's lines are not shown, unless they are warnings", async () => {
  const { lines, home } = await loggedStack(false);
  expect(lines.filter(({ level, message }) => message.startsWith("Sprite: ") && level === "info")).toEqual(
    [],
  );
  expect(lines.map(({ message }) => message)).toContain(`Sprite of ${home}: awake`);
});
