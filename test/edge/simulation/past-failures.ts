/** A run that once broke a promise. */
export interface PastFailure {
  /** What was wrong, and where. */
  readonly name: string;
  readonly seed: number;
  /** Shrunk, as {@link parseOperations} reads them. */
  readonly operations: string;
}

/**
 * Delays come from the seed as well, so that these fail again only while the simulation draws its chances as it did when
 * they were found. What each taught is also tested, directly, beside the module that was wrong.
 */
export const PAST_FAILURES: readonly PastFailure[] = [
  {
    name: "a replica brings what its home lacks, while that sleeps: nobody brought it there (Router, spriteSends)",
    seed: 25310,
    operations:
      "hangingClient 20 20 111; writeAtSleep 728 155 109; load 290 674 1622; create 646 453 137; coordinatorReset 393 695 1991; write 586 875 93; join 991 910 1949; quiet 402 774 2985; create 214 279 87; load 866 247 1232; load 49 789 16; write 246 662 71; quiet 572 610 112; slowWake 242 740 2325; create 331 555 128; write 863 952 2268; hangingClient 589 823 59; create 381 901 31; quiet 19 541 72; writeAtSleep 260 44 2081; create 21 57 39; write 840 444 17; create 978 394 2207; create 634 212 112; create 581 897 1607; leave 257 641 113",
  },
  {
    name: "the answer that a reconciliation waited for came while its home slept, and woke nobody (Router, clientKnows)",
    seed: 18184,
    operations:
      "unload 130 40 2195; write 756 126 2586; quiet 242 696 107; join 800 368 1905; load 555 750 2375; create 59 415 70; load 437 630 2336; loseDisk 695 721 33; hangingClient 235 331 119; reconcile 171 600 80; unload 171 813 13",
  },
];
