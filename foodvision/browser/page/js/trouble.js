/** What a person can mend: told in the page's language, by a text's key and what fills it in. */

export class Trouble extends Error {
  /**
   * @param {string} key of a text
   * @param {Record<string, string | number>} values for its {places}
   */
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

/** An error as a message between threads, which cannot carry classes. */
export function toMessage(error) {
  if (error instanceof Trouble) return { key: error.key, values: error.values };
  return { key: "failed", values: { reason: String(error?.message ?? error) } };
}
