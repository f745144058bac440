() => {
  // What Gradio's components leave unnamed for screen readers, some of them built only when a tab opens.
  const mend = () => {
    document.querySelector("#answer")?.setAttribute("aria-live", "polite");
    for (const button of document.querySelectorAll("#examples .gallery-item:not([aria-label])")) {
      const file = button.querySelector("img")?.src.split("/").pop();
      if (file) button.ariaLabel = decodeURIComponent(file).replace(/\.\w+$/, "").replaceAll("_", " ");
    }
    for (const button of document.querySelectorAll("button.upload-container[aria-label]"))
      if (button.innerText.trim()) button.removeAttribute("aria-label");
    for (const input of document.querySelectorAll("input.search-input:not([aria-label])"))
      input.ariaLabel = input.placeholder;
    for (const nothing of document.querySelectorAll("div.empty[aria-label]:not([role])"))
      nothing.role = "img";
  };
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  mend();
  const tellConnection = () => document.body.classList.toggle("offline", !navigator.onLine);
  addEventListener("online", tellConnection);
  addEventListener("offline", tellConnection);
  tellConnection();
}
