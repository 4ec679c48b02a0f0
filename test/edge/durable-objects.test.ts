import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { DURABLE_OBJECTS } from "../../edge/durable-objects.ts";
import { readDeployment } from "../../ops/deployment.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

test.each([undefined, "staging"])(
  "wrangler.toml binds and creates exactly the edge's Durable Objects (environment: %s)",
  async (environment) => {
    const { worker } = await readDeployment(root, environment, {});
    const bound = worker.durable_objects.bindings.map(({ name, class_name }) => [name, class_name]);
    expect(Object.fromEntries(bound)).toEqual(DURABLE_OBJECTS);
    const created = worker.migrations.flatMap(({ new_sqlite_classes = [] }) => new_sqlite_classes);
    expect(created.toSorted()).toEqual(Object.values(DURABLE_OBJECTS).toSorted());
  },
);

test("The Worker exports the classes of the edge's Durable Objects, and no others", () => {
  const source = readFileSync(new URL("../../edge/worker.ts", import.meta.url), "utf8");
  const exported = [...source.matchAll(/^export \{ (\w+) \} from/gm)].map(([, name]) => name);
  expect(exported.toSorted()).toEqual(Object.values(DURABLE_OBJECTS).toSorted());
});
