// Elements, as short as they can be written. Text is always text: nothing that comes from a file is read as markup.

const NS = 'http://www.w3.org/2000/svg';
function fill(e, attributes, children) {
  for (const [k, v] of Object.entries(attributes)) {
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (v !== null && v !== undefined && v !== false) e.setAttribute(k, v === true ? '' : v);
  }
  e.append(...children.flat(9).filter(c => c !== null && c !== undefined));
  return e;
}
export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(NS, tag), attributes, children);
export const $ = id => document.getElementById(id);
export const say = (e, text) => { if (e.textContent !== text) e.textContent = text; };
export const plural = (n, word) => `${n.toLocaleString('en')} ${word}${n === 1 ? '' : 's'}`;
