// Elements, as short as they can be written. Text is always text: nothing that comes from a file is read as markup.

const NS = 'http://www.w3.org/2000/svg';

// Characters that are not seen, or that turn the direction of others, as escapes: names of a file's columns and classes
// may hold any. (Lines end as they do, and Persian and emoji keep their joiners.)
const HIDDEN = /[^\P{C}\n\t\u200c\u200d]|[\u2028\u2029]/gu;
export const visible = text => String(text).replace(HIDDEN, c => `\\u${c.codePointAt(0).toString(16).padStart(4, '0')}`);
const SPOKEN = ['aria-label', 'title'];

function fill(e, attributes, children) {
  for (const [k, v] of Object.entries(attributes)) {
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (v !== null && v !== undefined && v !== false) e.setAttribute(k, v === true ? '' : SPOKEN.includes(k) ? visible(v) : v);
  }
  e.append(...children.flat(9).filter(c => c !== null && c !== undefined).map(c => c instanceof Node ? c : visible(c)));
  return e;
}
export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(NS, tag), attributes, children);
export const $ = id => document.getElementById(id);
export const say = (e, text) => { text = visible(text); if (e.textContent !== text) e.textContent = text; };
export const plural = (n, word) => `${n.toLocaleString('en')} ${word}${n === 1 ? '' : 's'}`;
