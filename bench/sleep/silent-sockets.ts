import { startTestStack } from "../../test/support/test-stack.ts";
import { until } from "../../test/support/until.ts";
import { openWire } from "../../test/support/wire.ts";
import { workerdCpu } from "../edge/workerd-cpu.ts";
import { formatMs, type Table } from "../table.ts";

const SOCKETS = 400;

/** What browsers cost the edge that are connected and silent: the pings that keep their sockets. */
export async function silentSockets(quick: boolean): Promise<Table | undefined> {
  // The second edge has an address of its own: no entry Worker of Miniflare stands before it.
  const stack = await startTestStack({ edges: 2 });
  const cpu = await workerdCpu();
  const wires = await Promise.all(Array.from({ length: SOCKETS }, () => openWire(stack.syncUrlOf(1))));
  try {
    if (!cpu) return undefined;
    const heard = () => wires.reduce((sum, { received }) => sum + received.length, 0);
    // Opening them is not what is measured.
    await until(() => wires.every(({ received }) => received.length >= 2), {
      what: "everybody's second ping",
    });
    const [pings, begun, cpuBefore] = [heard(), performance.now(), await cpu()];
    const rounds = quick ? 2 : 6;
    await until(() => heard() >= pings + rounds * SOCKETS, { what: "pings", timeoutMs: 60_000 });
    const [counted, used] = [heard() - pings, (await cpu()) - cpuBefore];
    const seconds = (performance.now() - begun) / 1_000;
    return {
      title: `${SOCKETS} sockets, open and silent`,
      columns: ["", "pings", "workerd's CPU a ping", "of one CPU"],
      rows: [
        [
          `${seconds.toFixed(0)} s`,
          String(counted),
          formatMs(used / counted),
          `${((used / (seconds * 1_000)) * 100).toFixed(1)} %`,
        ],
      ],
    };
  } finally {
    // The sockets end with it.
    await stack.close();
  }
}
