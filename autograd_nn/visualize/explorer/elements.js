// What pages are built of: elements that hold texts, never markup; and light or dark, as the reader or the page around wants.
const Elements = (() => {
  'use strict';
  const NS = 'http://www.w3.org/2000/svg';
  const fill = (e, attributes, children) => {
    for (const [k, v] of Object.entries(attributes)) {
      if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
      else if (v !== null && v !== undefined && v !== false) e.setAttribute(k, v === true ? '' : v);
    }
    e.append(...children.flat(9).filter(c => c !== null && c !== undefined));
    return e;
  };
  const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(NS, tag), attributes, children);
  const text = (content, attributes) => s('text', attributes, String(content));
  const set = (e, content) => { if (e.textContent !== content) e.textContent = content; };
  const icon = d => s('svg', { viewBox: '0 0 16 16', width: 13, height: 13, 'aria-hidden': 'true' }, s('path', { d, fill: 'currentColor', stroke: 'currentColor', 'stroke-width': 1.4, 'stroke-linejoin': 'round' }));
  const button = (content, label, onclick, extra = {}) => h('button', { type: 'button', title: label, 'aria-label': typeof content === 'string' ? null : label, onclick, ...extra }, content);

  // Sets the theme of a page and returns what changes it: theme('dark'), or theme() for the other one. The page around a
  // notebook's frame tells its theme; see `BRIDGE` in notebook.py.
  function theme(root) {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const choose = name => { root.dataset.theme = document.documentElement.dataset.theme = name || (root.dataset.theme === 'dark' ? 'light' : 'dark'); };
    const system = () => choose(dark.matches ? 'dark' : 'light');
    addEventListener('message', e => { if (e.source === parent && e.data && e.data.autogradTheme) choose(e.data.autogradTheme === 'dark' ? 'dark' : 'light'); });
    dark.addEventListener('change', system);
    system();
    return choose;
  }

  return { fill, h, s, text, set, icon, button, theme };
})();
