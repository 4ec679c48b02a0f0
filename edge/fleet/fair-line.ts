/** One holder that waits for its turn. */
export interface InLine {
  readonly holder: string;
  readonly client: string;
  /** When it asked first, and until when it will have asked again; milliseconds. */
  readonly since: number;
  readonly expires: number;
}

/** How many would have their turn before `holder`, if each client that waits had one in each round. */
export function rankOf(
  holder: string,
  line: readonly InLine[],
  servedAt: (client: string) => number | undefined,
): number {
  const me = line.find((one) => one.holder === holder);
  if (!me) return line.length;
  const rounds = new Map<string, number>();
  let rank = 0;
  const inOrder = [...line].sort((one, other) => one.since - other.since);
  const myRound = inOrder.filter(({ client }) => client === me.client).indexOf(me);
  const mine = servedAt(me.client) ?? 0;
  for (const one of inOrder) {
    const round = rounds.get(one.client) ?? 0;
    rounds.set(one.client, round + 1);
    if (one.client === me.client) rank += round < myRound ? 1 : 0;
    else if (round < myRound) rank++;
    else if (round === myRound) {
      // In one round those come first who have not had a turn for longest.
      const theirs = servedAt(one.client) ?? 0;
      if (theirs < mine || (theirs === mine && one.since < me.since)) rank++;
    }
  }
  return rank;
}
