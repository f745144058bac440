(drawCard, save, textOf, sortableTable, offered) => {
  let captions = {};
  const nameExample = (button) => {
    const source = button.querySelector("img")?.src.split("/").pop();
    if (!source) return;
    const file = decodeURIComponent(source);
    const { title, mistake } = captions[file] ?? { title: file.replace(/\.\w+$/, "").replaceAll("_", " "), mistake: "" };
    const label = mistake ? `${title}. ${mistake}` : title;
    if (button.ariaLabel === label) return; // or it would call itself for ever
    button.ariaLabel = label;
    button.dataset.title = captions[file] ? title : "";
    button.dataset.mistake = mistake;
  };
  const strength = (percent) => document.documentElement.style.setProperty("--strength", percent / 100);
  let chosenStrength = "";
  document.addEventListener("input", ({ target }) => {
    if (target instanceof Element && target.matches(".strength input")) strength((chosenStrength = target.value));
  });
  const fillTable = (place) => {
    const { heads, rows, ...said } = JSON.parse(place.dataset.table);
    place.append(...sortableTable(heads, rows, { ...said, language: navigator.language }));
  };
  // What Gradio's components leave unnamed for screen readers, some of them built only when a tab opens.
  const mend = () => {
    document.querySelector("#answer")?.setAttribute("aria-live", "polite");
    for (const button of document.querySelectorAll("#examples .gallery-item")) nameExample(button);
    for (const button of document.querySelectorAll("button.upload-container[aria-label]"))
      if (button.innerText.trim()) button.removeAttribute("aria-label");
    // The button that adds files has another one inside, which does the work.
    for (const outer of document.querySelectorAll("button:not([role]):has(button)")) {
      const inner = outer.querySelector("button");
      inner.ariaLabel = outer.closest(".block")?.querySelector("label")?.innerText || "+";
      for (const name of ["aria-label", "aria-haspopup"]) outer.removeAttribute(name);
      outer.title = inner.ariaLabel; // Gradio shows the key of a missing text
      outer.role = "group";
      outer.tabIndex = -1;
    }
    for (const place of document.querySelectorAll(".sortable:empty:not(.begun)")) {
      place.classList.add("begun");
      // The tab is drawn before: a slow phone needs a fifth of a second for the table.
      requestAnimationFrame(() => setTimeout(() => fillTable(place)));
    }
    // Offered, not demanded: what is dropped all the same is read by the server, which says what is wrong.
    for (const input of document.querySelectorAll("#photos input[type=file]")) input.accept = offered;
    if (chosenStrength)
      for (const slider of document.querySelectorAll(".strength input")) slider.value = chosenStrength;
    for (const nothing of document.querySelectorAll("div.empty[aria-label]:not([role])"))
      nothing.role = "img";
  };
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  mend();
  // Gradio refuses, in English, what the browser knows no image's type of, as HEIC on many systems; the server
  // reads the content, and says what is wrong in the visitor's language.
  const isOther = (file) => !file.type.startsWith("image/");
  const isTooLarge = ({ size }) => size > Number(document.body.dataset.mostBytes ?? Infinity);
  let tooLarge = "";
  const tellLarge = (place, files) => {
    if (place.nextElementSibling?.className === "refused") place.nextElementSibling.remove();
    if (!files.length) return;
    const told = document.createElement("div");
    told.className = "refused";
    told.role = "alert";
    for (const { name } of files)
      told.appendChild(document.createElement("p")).textContent = tooLarge.replace("{name}", () => name);
    place.after(told);
  };
  const admit = (place, files) => {
    const given = new DataTransfer();
    for (const file of files.filter((file) => !isTooLarge(file)))
      given.items.add(
        place.id === "photo" && isOther(file) ? new File([file], file.name, { type: "image/unknown" }) : file,
      );
    tellLarge(place, files.filter(isTooLarge));
    return given;
  };
  const placeOf = ({ target }) => target instanceof Element && target.closest("#photo, #photos");
  document.addEventListener("change", (event) => {
    const place = placeOf(event);
    if (place && event.target.files?.length) event.target.files = admit(place, [...event.target.files]).files;
  }, true);
  const admitted = new WeakSet(); // drops that are dispatched once more
  document.addEventListener("drop", (event) => {
    const place = placeOf(event);
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!place || !files.length || admitted.has(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const again = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: admit(place, files) });
    admitted.add(again);
    event.target.dispatchEvent(again);
  }, true);
  // Another photo is taken by a click: an example, the camera's, the clipboard's.
  document.addEventListener("click", ({ target }) => {
    if (target instanceof Element && target.closest("#photo, #examples")) tellLarge(document.querySelector("#photo"), []);
  }, true);
  // Permitted when its tab was left already, a camera would be on unseen.
  const cameras = navigator.mediaDevices; // none over plain http
  const open = cameras?.getUserMedia.bind(cameras);
  const shownTab = () => document.querySelector("[role=tab][aria-selected=true]")?.dataset.tabId;
  if (open)
    cameras.getUserMedia = async (wanted) => {
      const asking = shownTab();
      const stream = await open(wanted);
      if (shownTab() === asking) return stream;
      for (const track of stream.getTracks()) track.stop();
      throw new DOMException("The camera's tab was left.", "AbortError");
    };
  // The text node alone: the button is Svelte's.
  const tellCopied = () => {
    const label = [...document.querySelector("#copy").childNodes].find((node) => node.data?.trim());
    const copied = document.querySelector("#copied").textContent.trim();
    const before = label.data;
    if (before.trim() === copied) return;
    label.data = copied;
    setTimeout(() => (label.data = before), 3000);
  };
  window.foodvision = {
    refuseLarge: (most, text) => {
      tooLarge = text;
      document.body.dataset.mostBytes = most;
    },
    caption: (said) => {
      captions = said;
      mend();
    },
    // Over plain http no page may use the clipboard: select the text and let the browser copy it.
    copy: async () => {
      const answer = document.querySelector("#answer .answer");
      const byHand = () => {
        getSelection().selectAllChildren(answer);
        return document.execCommand("copy");
      };
      const isCopied = navigator.clipboard
        ? await navigator.clipboard.writeText(textOf(answer)).then(() => true, byHand)
        : byHand();
      if (isCopied) tellCopied();
    },
    saveCard: async ({ photo, ...said }) => {
      const image = new Image();
      image.src = photo;
      await image.decode();
      save(await drawCard(image, { ...said, language: navigator.language }), "answer.jpg");
    },
  };
  const tellConnection = () => document.body.classList.toggle("offline", !navigator.onLine);
  addEventListener("online", tellConnection);
  addEventListener("offline", tellConnection);
  tellConnection();
}
