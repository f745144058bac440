/** What is copied of an answer. Both pages copy it here. */

/** @param {Element} answer
 * @returns {string} without the time that it took, and without its link */
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
