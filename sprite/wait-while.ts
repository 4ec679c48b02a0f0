/** How often it is looked whether the wait is over. */
const CHECK_MS = 10;

/** Resolves when `busy` is so no more, or after `limitMs`. */
export async function waitWhile(busy: () => boolean, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (busy() && performance.now() < deadline) {
    await new Promise((next) => setTimeout(next, CHECK_MS));
  }
}
