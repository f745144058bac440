/** The text that "Copy result" copies, on both pages. */

/** @param {Element} answer
 * @returns {string} its text, without the time it took and without links */
export function textOf(answer) {
  const [headline, sentence] = ["h2", "p"].map((name) =>
    answer.querySelector(name).cloneNode(true),
  );
  sentence.querySelector(".time")?.remove();
  const guesses = [...answer.querySelectorAll("li")].map((line) => [...line.children]);
  const lines = [[headline], [sentence], ...guesses].map((parts) =>
    parts
      .map((part) => part.textContent.trim())
      .filter(Boolean)
      .join(" "),
  );
  return lines.filter(Boolean).join("\n");
}
