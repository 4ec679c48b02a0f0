/** What programs inside of a Sprite hold it awake for. */
export interface Tasks {
  /** Begins a task or lets it last until `ms` from now. */
  hold(name: string, ms: number): void;
  /** @returns whether there was one. */
  release(name: string): boolean;
  /** Names of those that live. */
  names(): string[];
  /** Forgets all, as a Sprite that boots does. */
  clear(): void;
}

/** @param begins starts the work that a task is; @returns what ends it. */
export function createTasks(begins: () => () => void): Tasks {
  const tasks = new Map<string, { readonly end: () => void; timer: NodeJS.Timeout }>();
  const release = (name: string) => {
    const task = tasks.get(name);
    if (!task) return false;
    clearTimeout(task.timer);
    tasks.delete(name);
    task.end();
    return true;
  };
  return {
    hold(name, ms) {
      const known = tasks.get(name);
      clearTimeout(known?.timer);
      const timer = setTimeout(() => release(name), ms);
      if (known) known.timer = timer;
      else tasks.set(name, { end: begins(), timer });
    },
    release,
    names: () => [...tasks.keys()],
    clear() {
      for (const name of [...tasks.keys()]) release(name);
    },
  };
}
