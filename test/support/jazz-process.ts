/**
 * An unmodified jazz-tools app in a process of its own; test/support/jazz-app.ts starts it and talks to it over IPC.
 * What it exports is only for types: the process answers to every name in `operations`.
 */

import { co, Group, setDefaultValidationMode, z } from "jazz-tools";
import { newJazzAccount } from "./new-jazz-account.ts";
import { serveOperations } from "./remote-operations.ts";

setDefaultValidationMode("strict");

const Note = co.map({ text: z.string() });
const Task = co.map({ title: z.string(), note: Note, tags: co.list(z.string()) });
const Project = co.map({ name: z.string(), tasks: co.list(Task) });
const loadWhole = { resolve: { tasks: { $each: { note: true, tags: true } } } } as const;

type Account = Awaited<ReturnType<typeof newJazzAccount>>["account"];
let account: Account | undefined;
function me(): Account {
  if (!account) throw new Error("open first");
  return account;
}

interface LoadedTask {
  readonly title: string;
  readonly note: { readonly text: string; readonly $jazz: { set(key: "text", value: string): void } };
  readonly tags: Iterable<string>;
}

/** What `co.loaded` would say; jazz-tools' types come out as `never` under exactOptionalPropertyTypes. */
interface LoadedProject {
  readonly name: string;
  readonly tasks: readonly LoadedTask[] & {
    readonly $jazz: { push(task: { title: string; note: { text: string }; tags: string[] }): void };
  };
}

/** Loads anew each time: what was loaded before knows nothing of children that came later. */
async function project(id: string): Promise<LoadedProject> {
  const loaded = await Project.load(id, { ...loadWhole, loadAs: me() });
  if (!loaded.$isLoaded) throw new Error(`the project did not load: ${loaded.$jazz.loadingState}`);
  return loaded as unknown as LoadedProject;
}

const operations = {
  async open(syncUrl: string, name: string) {
    ({ account } = await newJazzAccount(syncUrl, name));
    return account.$jazz.id;
  },
  /** A project with two tasks, each with a nested map and list: what makes jazz-tools create many groups. */
  async createProject(name: string) {
    const owner = Group.create({ owner: me() });
    owner.addMember("everyone", "writer");
    const task = (title: string) => ({ title, note: { text: `${title} note` }, tags: ["new"] });
    const created = Project.create({ name, tasks: [task("one"), task("two")] }, owner);
    await me().$jazz.waitForAllCoValuesSync();
    return { id: created.$jazz.id, owner: owner.$jazz.id };
  },
  async readProject(id: string) {
    const { name, tasks } = await project(id);
    return {
      name,
      tasks: tasks.map(({ title, note, tags }) => ({ title, note: note.text, tags: [...tags] })),
    };
  },
  async addTask(id: string, title: string) {
    (await project(id)).tasks.$jazz.push({ title, note: { text: "" }, tags: [] });
    await me().$jazz.waitForAllCoValuesSync();
  },
  async editNote(id: string, index: number, text: string) {
    (await project(id)).tasks[index]?.note.$jazz.set("text", text);
    await me().$jazz.waitForAllCoValuesSync();
  },
  async profileName(accountId: string) {
    const other = await co.account().load(accountId, { resolve: { profile: true }, loadAs: me() });
    return other.$isLoaded ? (other.profile as { name: string }).name : other.$jazz.loadingState;
  },
  /** A private project, and an invite as writer. */
  async createInvite(name: string) {
    const owner = Group.create({ owner: me() });
    const created = Project.create({ name, tasks: [] }, owner);
    await me().$jazz.waitForAllCoValuesSync();
    return { id: created.$jazz.id, group: owner.$jazz.id, secret: owner.$jazz.createInvite("writer") };
  },
  async acceptInvite(group: string, secret: string) {
    await me().acceptInvite(group, secret as never);
    await me().$jazz.waitForAllCoValuesSync();
  },
} as const;

export type Operations = typeof operations;

serveOperations(operations);
