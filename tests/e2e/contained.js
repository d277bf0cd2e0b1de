// What hostile texts have done to a page. Returns sentences; an empty list is a page that only shows them.
() => {
  const problems = [...(window.hostileDeeds ?? [])];
  const said = (element) => `<${element.localName} class="${element.getAttribute("class") ?? ""}"> “${element.textContent.trim().slice(0, 60)}”`;
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.body.querySelectorAll("*")].find(
      (element) => element.getBoundingClientRect().right > root.clientWidth + 1 && !element.closest(".table-wrap, pre, math, .tabs, .app-nav"),
    );
    problems.push(`wider than the window by ${root.scrollWidth - root.clientWidth} px: ${wide ? said(wide) : "?"}`);
  }
  if (problems.length) {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const range = document.createRange();
    while (walker.nextNode()) {
      range.selectNodeContents(walker.currentNode);
      const far = [...range.getClientRects()].find((rect) => rect.right > root.clientWidth + 1);
      if (!far || walker.currentNode.parentElement.closest(".table-wrap, pre, math, .tabs, .app-nav")) continue;
      problems.push(`text from ${far.left} to ${far.right} px in ${said(walker.currentNode.parentElement)}`);
    }
  }
  for (const element of document.querySelectorAll("main *")) {
    if (/^(script|iframe|object|embed|base|meta|link|img|image|video|audio|marquee|frameset|portal)$/.test(element.localName) && element.type !== "application/json") {
      problems.push(`an element that does more than show text: ${said(element)}`);
    }
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on") || (name === "style" && !element.closest("math, svg")) || /^\s*(javascript|vbscript|data):/i.test(value) && /^(href|src|action|formaction|xlink:href)$/.test(name)) {
        problems.push(`${name}=${value.slice(0, 60)} on ${said(element)}`);
      }
    }
  }
  for (const box of document.querySelectorAll(".prose, .card, td, th, .table-wrap")) {
    if (!box.checkVisibility()) continue;
    const outer = box.getBoundingClientRect();
    for (const element of box.children) {
      if (!element.checkVisibility() || element.closest(".visually-hidden")) continue;
      const inner = element.getBoundingClientRect();
      if (inner.width && (inner.left < outer.left - 2 || inner.right > outer.right + 2) && getComputedStyle(box).overflowX === "visible") {
        problems.push(`out of its box by ${Math.round(Math.max(outer.left - inner.left, inner.right - outer.right))} px: ${said(element)}`);
        break;
      }
    }
  }
  return problems.slice(0, 10);
}
