// Copy buttons: they are hidden without JavaScript, where the text can still be selected.
for (const button of document.querySelectorAll("button.copy")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  const label = button.firstChild;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      label.data = "Copied";
    } catch {
      label.data = "Not allowed";
    }
    setTimeout(() => { label.data = "Copy"; }, 1500);
  });
}

// The second half of a double click is not another order.
for (const form of document.querySelectorAll('form[action="/play"]')) {
  form.addEventListener("click", (event) => { if (event.detail > 1) event.preventDefault(); });
}
