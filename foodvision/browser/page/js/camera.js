/** The tab with a camera that answers several times a second. */

import { showAnswer, showWaiting } from "./answers.js";
import { find } from "./dom.js";

const MILLISECONDS_BETWEEN = 300;

/** @returns {{leave: () => void}} what stops the camera when the tab is left */
export function connectCamera(room, model, words) {
  const [video, button, answer] = ["video", "button", ".answer"].map((part) => find(part, room));
  const told = find("[role=status]", room); // a screen reader would say every answer
  // A promise of the camera from when it is asked for until it is stopped, and then its stream.
  let asked = null;
  let stream = null;

  const stop = () => {
    turnOff(stream);
    asked = stream = null;
    video.srcObject = null;
    button.textContent = words.say("camera_start");
  };

  const fail = (reason) => {
    stop();
    told.textContent = reason;
  };

  const start = async () => {
    told.textContent = "";
    const mine = openCamera();
    asked = mine;
    const opened = await mine;
    if (asked !== mine) {
      turnOff(opened); // permission came when the tab had been left
      return;
    }
    if (!opened) {
      fail(words.say("camera_off"));
      return;
    }
    stream = opened;
    for (const track of opened.getTracks())
      track.addEventListener("ended", () => {
        // Unplugged, or not permitted any more.
        if (stream === opened) fail(words.say("camera_off"));
      });
    button.textContent = words.say("camera_stop");
    video.srcObject = stream;
    try {
      await video.play();
      await answerFrames();
    } catch (trouble) {
      if (stream === opened) fail(words.tell(trouble)); // else it was stopped meanwhile
    }
  };

  const answerFrames = async () => {
    for (const running = stream; stream === running && running; ) {
      const frame = await createImageBitmap(video);
      const { prediction } = await model.answer(frame, "");
      if (stream === running) showAnswer(answer, prediction, words, model.config);
      await new Promise((resolve) => {
        setTimeout(resolve, MILLISECONDS_BETWEEN);
      });
    }
  };

  button.addEventListener("click", () => {
    if (stream) stop();
    else if (!asked) start();
  });
  showWaiting(answer, words.say("camera_label"), words);
  stop();
  return { leave: stop };
}

/** @returns {Promise<MediaStream | null>} null without a camera, or the permission for it */
async function openCamera() {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    return null;
  }
}

function turnOff(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
