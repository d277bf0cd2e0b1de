/* Makes one tree of elements like another and keeps what is alike: the focus, what is selected, how far something
 * is scrolled, what a person has opened or typed. Children are matched by id, else by place and name.
 */

export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  setAttributes(old, fresh);
  const byId = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    let found = wanted.id ? byId.get(wanted.id) : place;
    if (!found || !alike(found, wanted)) {
      old.insertBefore(wanted, place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else old.insertBefore(found, place);
    if (found.nodeType !== Node.ELEMENT_NODE) {
      if (found.data !== wanted.data) found.data = wanted.data;
    } else if (!found.hasAttribute("data-keep") || found.dataset.keep !== wanted.dataset.keep) {
      const follows = found.hasAttribute("data-follow") && atEnd(found);
      morph(found, wanted);
      if (follows) found.scrollTop = found.scrollHeight;
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id || "") === (other.id || "");
}

function setAttributes(old, fresh) {
  const kept = old.nodeName === "DETAILS" ? ["open"] : [];
  for (const { name, value } of [...fresh.attributes]) {
    if (!kept.includes(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!kept.includes(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}

export function atEnd(element) {
  return element.scrollHeight - element.scrollTop - element.clientHeight < 24;
}
