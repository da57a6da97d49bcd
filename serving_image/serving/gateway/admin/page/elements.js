// Brings a part of the page to what it shall be with the fewest changes, so that a selection or a focus in it survives.
// Text only ever becomes text: there is no way here to make markup of it.

const SVG = "http://www.w3.org/2000/svg";

/** What an element shall be: its tag, attributes (null: absent), and text or children. */
export function element(tag, attributes = {}, ...children) {
  return { tag, attributes, children: children.flat().filter((child) => child !== null) };
}

/** Make `parent` hold exactly `wanted`. */
export function show(parent, wanted, namespace = null) {
  wanted.forEach((child, place) => {
    const there = parent.childNodes[place];
    if (typeof child !== "object") {
      showText(parent, there, String(child));
      return;
    }
    const space = child.tag === "svg" ? SVG : namespace;
    let node = there;
    if (!(node instanceof Element) || node.localName !== child.tag) {
      node = space ? document.createElementNS(space, child.tag) : document.createElement(child.tag);
      there ? there.replaceWith(node) : parent.append(node);
    }
    for (const { name } of [...node.attributes]) {
      if ((child.attributes[name] ?? null) === null) node.removeAttribute(name);
    }
    for (const [name, value] of Object.entries(child.attributes)) {
      if (value !== null && node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
    }
    show(node, child.children, space);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}

function showText(parent, there, text) {
  if (there instanceof Text) {
    if (there.data !== text) there.data = text;
  } else {
    const made = document.createTextNode(text);
    there ? there.replaceWith(made) : parent.append(made);
  }
}
