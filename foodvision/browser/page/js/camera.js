/** The tab with a camera that answers several times a second. */

import { showAnswer, showEmpty, showFailure } from "./answers.js";
import { find } from "./dom.js";

const MILLISECONDS_BETWEEN = 300;

/** @returns {{leave: () => void}} what stops the camera when the tab is left */
export function connectCamera(room, model, words) {
  const [video, button, answer] = ["video", "button", ".answer"].map((part) => find(part, room));
  let stream = null;

  const stop = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    video.srcObject = null;
    button.textContent = words.say("camera_start");
  };

  const start = async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      showFailure(answer, words.say("camera_off"), words);
      return;
    }
    button.textContent = words.say("camera_stop");
    video.srcObject = stream;
    await video.play();
    await answerFrames();
  };

  const answerFrames = async () => {
    for (const running = stream; stream === running && running; ) {
      const frame = await createImageBitmap(video);
      const { prediction } = await model.answer(frame, "");
      if (stream === running) showAnswer(answer, prediction, words);
      await new Promise((resolve) => {
        setTimeout(resolve, MILLISECONDS_BETWEEN);
      });
    }
  };

  button.addEventListener("click", () => (stream ? stop() : start()));
  showEmpty(answer, words);
  stop();
  return { leave: stop };
}
