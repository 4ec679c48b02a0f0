/** What a crash loop did: numbers that say whether it could have found anything. */
export interface Tally {
  rounds: number;
  /** Processes ended with SIGKILL. */
  kills: number;
  /** Of them, those whose storage was not open yet. */
  beforeReady: number;
  /** Rounds in which messages were on their way when the process died. */
  inFlight: number;
  /** Transactions. */
  acknowledged: number;
  /** Transactions that were on disk after a death and had not been acknowledged: killed between the two. */
  unacknowledged: number;
  /** CoValues loaded from a Sprite and compared. */
  readBack: number;
  /** Groups with a new store. */
  worlds: number;
}

export function newTally(): Tally {
  return {
    rounds: 0,
    kills: 0,
    beforeReady: 0,
    inFlight: 0,
    acknowledged: 0,
    unacknowledged: 0,
    readBack: 0,
    worlds: 0,
  };
}

export function sumOf(tallies: readonly Tally[]): Tally {
  const sum = newTally();
  for (const tally of tallies) {
    for (const name of Object.keys(sum) as (keyof Tally)[]) sum[name] += tally[name];
  }
  return sum;
}

export function describe(tally: Tally): string {
  return [
    `${tally.rounds} rounds on ${tally.worlds} stores`,
    `${tally.kills} kills (${tally.beforeReady} before the storage was open)`,
    `${tally.inFlight} rounds with messages on their way`,
    `${tally.acknowledged} transactions acknowledged`,
    `${tally.unacknowledged} more found on disk`,
    `${tally.readBack} CoValues read back`,
  ].join(", ");
}
