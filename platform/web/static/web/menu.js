/* Menus are <details data-menu>: they close on a click outside and on Escape. */

export function startMenus() {
  document.addEventListener("click", (event) => closeMenus((menu) => !menu.contains(event.target)));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of closeMenus(() => true)) menu.querySelector("summary").focus();
  });
}

function closeMenus(which) {
  const closing = [...document.querySelectorAll("details[data-menu][open]")].filter(which);
  for (const menu of closing) menu.open = false;
  return closing;
}
