import type { Answer } from "./faults.ts";

/** A call of the API that is refused: thrown by the code that does the work, turned into an answer by the server. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly answer: Answer;

  /**
   * @param status as facts/fly-machines §1.9 and facts/fly-sprites §1 list them.
   * @param more what the answer has besides the sentence: members of its body, and headers.
   */
  constructor(
    status: number,
    error: string,
    more: { body?: object; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(error);
    this.answer = {
      status,
      body: { error, ...more.body },
      ...(more.headers && { headers: more.headers }),
    };
  }
}
