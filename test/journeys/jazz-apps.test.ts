import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type JazzApp, startJazzApp } from "../support/jazz-app.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";

describe("two jazz-tools apps in separate processes", () => {
  let stack: TestStack;
  let alice: JazzApp;
  let bob: JazzApp;

  beforeAll(async () => {
    stack = await startTestStack();
    [alice, bob] = await Promise.all([
      startJazzApp(stack.syncUrl, "Alice"),
      startJazzApp(stack.syncUrl, "Bob"),
    ]);
  });
  afterAll(async () => {
    await Promise.all([alice?.close(), bob?.close()]);
    await stack?.close();
  });

  test("see each other's nested maps and lists, and each other's edits", async () => {
    const { id } = await alice.createProject("House");
    const task = (title: string) => ({ title, note: `${title} note`, tags: ["new"] });
    expect(await bob.readProject(id)).toEqual({ name: "House", tasks: [task("one"), task("two")] });
    await bob.editNote(id, 0, "seen by Bob");
    await bob.addTask(id, "three");
    await alice.editNote(id, 1, "seen by Alice");
    const both = {
      name: "House",
      tasks: [
        { ...task("one"), note: "seen by Bob" },
        { ...task("two"), note: "seen by Alice" },
        { title: "three", note: "", tags: [] },
      ],
    };
    for (const app of [alice, bob]) {
      await until(async () => isDeepStrictEqual(await app.readProject(id), both), { what: "both edits" });
    }
  });

  test("load each other's account profiles", async () => {
    expect(await bob.profileName(alice.accountId)).toBe("Alice");
    expect(await alice.profileName(bob.accountId)).toBe("Bob");
  });

  test("share a private project by an invite", async () => {
    const { id, group, secret } = await alice.createInvite("Secret");
    await expect(bob.readProject(id)).rejects.toThrow(/unauthorized/);
    await bob.acceptInvite(group, secret);
    expect(await bob.readProject(id)).toEqual({ name: "Secret", tasks: [] });
    await bob.addTask(id, "from Bob");
    await until(async () => (await alice.readProject(id)).tasks.length === 1, {
      what: "Bob's task at Alice",
    });
  });

  test("make one Sprite of a nested project, not one for each group", async () => {
    const before = stack.fleet.machines().length;
    const { owner } = await alice.createProject("Nested");
    expect(stack.fleet.machines()).toHaveLength(before + 1);
    expect(stack.machineOf(owner).state).toBe("started");
  });
});
