import { rmSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { processRunner } from "../../dev/fleet/index.ts";
import type { GroupId } from "../../shared/ids.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { fillDisk, NO_MOUNT, smallDisk } from "../sprite/storage/small-disk.ts";
import { startClient } from "../support/client.ts";
import { SPRITE_BUNDLE } from "../support/sprite-bundle.ts";
import { startTestStack, TEST_FLEET } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire, type Wire } from "../support/wire.ts";

const VALUE = "x".repeat(40_000);

/** A client with a map in a group whose Sprite has a disk of 48 MB, and somebody who listens; everybody else's disk is large. */
async function groupOnSmallDisk(disk: string) {
  const disks = new Map<string, string>();
  const lines: string[] = [];
  const processes = processRunner(
    () => ({ file: process.execPath, args: [SPRITE_BUNDLE] }),
    (_, line) => lines.push(line),
  );
  const stack = await startTestStack({
    platform: "machines",
    runner: {
      start: (spec) => processes.start({ ...spec, volumeDir: disks.get(spec.name) ?? spec.volumeDir }),
    },
  });
  onTestFinished(() => stack.close());
  const writer = await startClient(stack.syncUrl);
  onTestFinished(() => writer.close());
  await writer.synced();
  writer.disconnect();
  const group = writer.node.createGroup();
  group.addMember("everyone", "reader");
  const map = group.createMap();
  disks.set(spriteNameOf(group.id as string as GroupId), disk);
  writer.connect();
  let written = 0;
  const write = () => map.set(`key${written++}`, VALUE, "trusting");
  for (let n = 0; n < 5; n++) write();
  await writer.synced();
  const wire = await openWire(stack.syncUrl);
  onTestFinished(() => wire.close());
  wire.send({ action: "load", id: group.id, header: false, sessions: {} });
  await wire.next(({ action, id }) => action === "content" && id === group.id, "the group");
  return {
    stack,
    writer,
    wire,
    home: group.id,
    write,
    /** Nothing of what was written is missing, for somebody who has nothing. */
    async servesAll() {
      const reader = await startClient(stack.syncUrl);
      const copy = await reader.load<typeof map>(map.id);
      await until(() => Object.keys(copy.toJSON()).length === written, { what: "all being there" });
      await reader.close();
    },
  };
}

function newsIn({ received }: Wire): unknown[] {
  const news = received.filter(({ type, code }) => type === "storage" || code === "storage-failed");
  return news.map(({ type, code }) => ({ type, ...(code && { code }) }));
}

const FAILED = { type: "error", code: "storage-failed" };
const OK = { type: "storage" };

test.skipIf(TEST_FLEET === "sprites")(
  "clients hear of a full disk when it begins and when it ends, and then all is stored without a new connection",
  async ({ skip }) => {
    const disk = smallDisk(48);
    if (disk === undefined) return skip(NO_MOUNT);
    const { writer, wire, home, write, servesAll } = await groupOnSmallDisk(disk);
    const ballast = fillDisk(disk);
    const failed = await until(
      () => {
        write();
        return wire.received.find(({ code }) => code === "storage-failed");
      },
      { what: "word of the full disk" },
    );
    expect(failed).toMatchObject({ ...FAILED, home });
    let stored = false;
    const synced = writer.synced().then(() => {
      stored = true;
    });
    await wire.drained();
    expect(stored).toBe(false);

    rmSync(ballast);
    await synced;
    await wire.next(({ type }) => type === "storage", "the end of it");
    expect(newsIn(wire)).toEqual([FAILED, OK]);
    expect(writer.closures()).toBe(0);
    await servesAll();
  },
);

test.skipIf(TEST_FLEET === "sprites")(
  "a Sprite that is killed on its full disk serves again once there is space, with all that was written",
  async ({ skip }) => {
    const disk = smallDisk(48);
    if (disk === undefined) return skip(NO_MOUNT);
    const { stack, writer, wire, home, write, servesAll } = await groupOnSmallDisk(disk);
    const ballast = fillDisk(disk);
    stack.fleet.kill(stack.machineOf(home).id, "SIGKILL");
    for (let n = 0; n < 5; n++) write();
    const failed = await wire.next(({ code }) => code === "storage-failed", "word of the full disk");
    expect(failed).toMatchObject({ ...FAILED, home });

    rmSync(ballast);
    await writer.synced();
    await wire.next(({ type }) => type === "storage", "the end of it");
    expect(newsIn(wire)).toEqual([FAILED, OK]);
    expect(writer.closures()).toBe(0);
    await servesAll();
  },
);
